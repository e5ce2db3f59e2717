#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "flatenn/report/findings.h"
#include "flatenn/study/definition.h"

namespace flatenn::study {

struct StudyOptions {
  std::filesystem::path out;      ///< Study folder; made where it does not exist.
  std::string data;               ///< Data set in place of the base configuration's.
  int64_t epochs = 0;             ///< Of an arm; 0: as the base configuration says.
  int64_t warm_epochs = 0;        ///< Of the network all start from; 0: as its configuration says.
  int64_t trials = 0;             ///< Fault maps a cell; 0: as the definition says.
  int64_t seeds = 0;              ///< Training seeds; 0: as the definition says.
  int64_t first_seed = 1;         ///< Those before it are left to another call, side by side.
  std::vector<std::string> arms;  ///< Empty: the definition's.
  double rho = -1;                ///< Radius of sam and saq; negative: as the definition says.
  /// Choose settings on held-out images first (tune.json); a choice made earlier is used again.
  bool tune = false;
  bool tune_only = false;  ///< End once they are chosen: nothing is trained on all images.
  /// Which of the definition's levels of analysis follows the campaigns; "off": none. Empty:
  /// "brief" where the definition has it.
  std::string analysis;
  std::vector<std::string> settings;       ///< "key=value" for every arm, applied last.
  std::vector<std::string> warm_settings;  ///< The same for the network all start from.
  std::string data_root;                   ///< See data::resolve_data_root().
  /// Of trainings and campaigns: "cpu", "cuda", "cuda:1"; of several GPUs ("cuda:0-3") each has
  /// trainings of its own, and campaigns run on all.
  std::string device = "cpu";
  bool deterministic = false;  ///< See train::TrainRequest.
  /// Trainings side by side; 0: on the CPU as many as cores, divided by the threads of one, else as
  /// many as GPUs.
  int64_t jobs = 0;
  double time_limit_s = 0;  ///< Ends the study as stop_requested does; 0: none.
  bool quiet = false;
  /// Folder of the networks that seeds start from, where several studies share them; empty:
  /// `out`/runs.
  std::filesystem::path warm_runs;
  bool conclude = true;  ///< Judge the claims and write study.json and the page.
  std::string command;   ///< As typed, for the report.
  /// Asked after every step of a training and every batch of trials; true ends the study there, to
  /// be gone on with later.
  std::function<bool()> stop_requested;
};

/// A network of the study, or the one that a seed's networks start from.
struct TrainingRecord {
  std::string name;             ///< "saq-sparse-seed1"
  std::string status;           ///< "finished", "interrupted", "not run", ...
  int64_t warm_epochs = 0;      ///< Epochs of the network that it starts from.
  int64_t epochs = 0;           ///< Its own.
  int64_t gradient_passes = 0;  ///< Passes over the training images, both of these included.
  double accuracy = 0;          ///< Without faults.
  double sparsity = 0;
  double seconds = 0;  ///< Of its own training.
  std::string device;
  std::string warm_start_hash;  ///< Of the weights it started from.
};

enum class StudyEnding { kDone, kInterrupted, kTimeLimit };

struct StudyOutcome {
  StudyEnding ending = StudyEnding::kDone;
  std::vector<TrainingRecord> trainings;
  std::vector<std::string> not_run;  ///< A line each: what is missing still.
  std::vector<std::string> failed;   ///< Arms all of whose candidates diverged: they were left out.
  std::vector<report::Claim> claims;
  std::filesystem::path report;  ///< The page; empty where there is nothing to show yet.
  bool finished() const { return ending == StudyEnding::kDone; }
};

/// Trains every arm and seed, runs the campaigns on common fault maps, judges the claims, and
/// writes into `out`:
///   runs/ARM-seedN/  run folders        campaign.db   all trials
///   analysis/ARM-seedN/  flatness, sensitivity and cost of each network
///   study.json       claims, commands, what was run and what was not
///   report.html      the page
///   tune/, tune.json candidates and the settings chosen, where asked for
/// The network that a seed's arms start from is trained when the first of them needs it
/// (runs/warm-start-seedN/). A seed is finished, campaigns included, before the next begins.
///
/// What is finished in `out` is not done again: trainings, analyses, and trials within a campaign.
/// The folder can be moved; of a finished training only run.json, metrics.jsonl and model.onnx are
/// needed. Stopped, the study writes study.json and the page over what there is. Throws Error, one
/// line, for bad options and where `out` holds other settings of the same names.
StudyOutcome run_study(const Definition& definition, const StudyOptions& options);

/// Networks, claims and what was not run, as tables for a terminal.
std::string outcome_text(const StudyOutcome& outcome);
/// {"claims": [...], "trainings": [...], "not_run": [...]}, as in study.json (docs/formats.md).
nlohmann::json outcome_json(const StudyOutcome& outcome);

}  // namespace flatenn::study
