#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flatenn/campaign/campaign.h"

namespace flatenn::cli {

/// A plan from a file, from flags, or from a file with flags on top.
struct PlanOptions {
  std::string file;
  std::optional<std::string> text;  ///< Of the file, where another rank has read it.
  std::string db;
  std::vector<std::string> sets;      ///< Flags as "key=value", then --set, in TOML.
  std::vector<std::string> replaced;  ///< Keys of the file that flags stand in for.
  std::vector<std::string> models;
  std::string data;  ///< Name or path; empty: the file's or the models'.
  std::string data_root;
  std::string engine = "cpu";
  int64_t threads = 0;
  bool mpi = false;  ///< Compute with the other ranks, however this one was started.
  double verify_share = 0;
  std::optional<campaign::Share> share;
  std::optional<int64_t> share_until;
};

std::shared_ptr<PlanOptions> add_plan_options(CLI::App& command);
campaign::Plan read_plan(const PlanOptions& options);
campaign::CampaignOptions campaign_options(const PlanOptions& options);

}  // namespace flatenn::cli
