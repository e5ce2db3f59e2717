#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "flatenn/report/findings.h"
#include "flatenn/study/definition.h"

namespace flatenn::study {

struct StudyOptions {
  std::filesystem::path out;      ///< Study folder; made where it does not exist.
  std::string data;               ///< Data set in place of the base configuration's.
  int64_t epochs = 0;             ///< 0: as the base configuration says.
  int64_t trials = 0;             ///< Fault maps a cell; 0: as the definition says.
  int64_t seeds = 0;              ///< Training seeds; 0: as the definition says.
  std::vector<std::string> arms;  ///< Empty: the definition's.
  double rho = -1;                ///< Radius of sam and saq; negative: as the definition says.
  /// Choose settings on held-out images first (tune.json); a choice made earlier is used again.
  bool tune = false;
  std::vector<std::string> settings;  ///< "key=value" for every training, applied last.
  std::string data_root;              ///< See data::resolve_data_root().
  std::string device = "cpu";         ///< "cpu" or "cuda", for trainings and campaigns.
  bool quiet = false;
  std::string command;  ///< As typed, for the report.
  /// Asked between two pieces of work; true ends the study there, to be gone on with later.
  std::function<bool()> stop_requested;
};

struct StudyOutcome {
  bool finished = false;  ///< False where it was asked to stop.
  std::vector<report::Claim> claims;
  std::filesystem::path report;  ///< The page.
};

/// Trains every arm and seed, runs the campaigns on common fault maps, judges the claims, and
/// writes into `out`:
///   runs/ARM-seedN/  run folders        campaign.db   all trials
///   study.json       claims, commands   report.html   the page
///   tune/, tune.json candidates and the settings chosen, where asked for
///
/// What is finished in `out` is not done again: trainings, and trials within a campaign. Throws
/// Error, one line, for bad options and where `out` holds other settings of the same names.
StudyOutcome run_study(const Definition& definition, const StudyOptions& options);

}  // namespace flatenn::study
