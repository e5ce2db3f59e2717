#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/standing_table.h"
#include "cli/text_table.h"
#include "flatenn/base/error.h"
#include "flatenn/base/progress.h"

namespace flatenn::cli {
namespace {

struct StatusOptions {
  std::vector<std::string> files;
  bool json = false;
};

/// The work of one run, as stored with its trials.
struct Pace {
  std::string file;
  store::RunRow run;
  double seconds = 0;  ///< From its start to its end, or to when it was last heard of.
  double rate() const { return seconds > 0 ? static_cast<double>(run.trials) / seconds : 0; }
  bool is_running() const { return run.life == store::RunLife::kRunning; }
};

/// Seconds since 1970 of "2026-01-31T12:00:00Z"; 0 where it is no such text.
std::time_t time_of(const std::string& text) {
  std::tm parts{};
  return ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts) == nullptr ? 0 : ::timegm(&parts);
}

Pace pace_of(const std::string& file, const store::RunRow& run) {
  std::time_t end = time_of(run.finished);
  if (run.finished.empty()) {
    end = run.life == store::RunLife::kRunning ? std::time(nullptr)
                                               : static_cast<std::time_t>(run.heartbeat);
  }
  // Clocks of several machines differ: less than nothing counts as nothing.
  return {
      .file = file, .run = run, .seconds = std::max(0.0, std::difftime(end, time_of(run.started)))};
}

/// One word of "running", "killed" and "silent", or how the run ended.
std::string state_of(const store::RunRow& run) {
  switch (run.life) {
    case store::RunLife::kRunning:
      return "running";
    case store::RunLife::kKilled:
      return "killed";
    case store::RunLife::kSilent:
      return "silent";
    case store::RunLife::kEnded:
      break;
  }
  return run.end;
}

std::string told_state(const store::RunRow& run) {
  const double heard =
      std::abs(std::difftime(std::time(nullptr), static_cast<std::time_t>(run.heartbeat)));
  const std::string state = state_of(run);
  return run.life == store::RunLife::kSilent ? state + " for " + format_duration(heard) : state;
}

/// A plan over the files: what they hold together, and who worked on it.
struct Status {
  std::vector<std::pair<std::string, campaign::PlanStanding>> files;
  campaign::PlanStanding all;
  std::vector<Pace> paces;

  void add_run(const std::string& file, const store::RunRow& run);
  double rate_now() const;
};

/// A run that several files hold counts once, as the file knows it that heard of it last.
void Status::add_run(const std::string& file, const store::RunRow& run) {
  const auto known = std::ranges::find_if(paces, [&](const Pace& pace) {
    return pace.run.host == run.host && pace.run.pid == run.pid && pace.run.started == run.started;
  });
  if (known == paces.end()) {
    paces.push_back(pace_of(file, run));
  } else if (known->run.heartbeat < run.heartbeat) {
    *known = pace_of(file, run);
  }
}

double Status::rate_now() const {
  double rate = 0;
  for (const Pace& pace : paces) rate += pace.is_running() ? pace.rate() : 0;
  return rate;
}

std::map<std::string, Status> collect(const StatusOptions& options) {
  std::map<std::string, Status> plans;
  std::map<std::string, campaign::JoinedStanding> joined;
  std::map<std::string, std::string> fingerprints;
  for (const std::string& file : options.files) {
    const store::Store store = store::Store::open(file, store::Store::Access::kRead);
    for (const store::PlanRow& row : store.plans()) {
      const auto known = fingerprints.emplace(row.name, row.fingerprint).first;
      FLATENN_CHECK(known->second == row.fingerprint, file, ": plan '", row.name,
                    "' means something else than in the files before; flatenn merge says what");
      const auto [at, is_first] = joined.try_emplace(row.name, store, row);
      if (!is_first) at->second.add(store, row);
      Status& status = plans[row.name];
      for (const store::RunRow& run : store.runs(row.id)) status.add_run(file, run);
      status.files.emplace_back(file, campaign::standing_of(store, row));
    }
  }
  for (auto& [name, standing] : joined) plans[name].all = standing.standing();
  return plans;
}

void print_runs(const Status& status) {
  const std::vector<TextColumn> columns = {{"  machine", false, 0, 26}, {"engine", false, 2, 20},
                                           {"trials", true, 0, 10},     {"trials/s", true, 1, 9},
                                           {"time", true, 3, 10},       {"state"}};
  std::vector<std::vector<std::string>> rows;
  for (const Pace& pace : status.paces) {
    char rate[32];
    std::snprintf(rate, sizeof rate, "%.3g", pace.rate());
    rows.push_back({"  " + pace.run.host.substr(0, pace.run.host.find('/')), pace.run.engine,
                    std::to_string(pace.run.trials), rate, format_duration(pace.seconds),
                    told_state(pace.run)});
  }
  print_text_table(columns, rows);
}

void print(const Status& status) {
  print_standing(status.all, std::ssize(status.files));
  print_open_shares(status.all);
  print_open_cells(status.all);
  print_runs(status);
  const double rate = status.rate_now();
  if (rate > 0 && status.all.left() > 0) {
    std::printf("  %.3g trials/s now, %s%s left\n", rate,
                status.all.may_end_early ? "at most " : "",
                format_duration(static_cast<double>(status.all.left()) / rate).c_str());
  }
}

nlohmann::json to_json(const Status& status) {
  nlohmann::json runs = nlohmann::json::array();
  for (const Pace& pace : status.paces) {
    runs.push_back({{"file", pace.file},
                    {"machine", pace.run.host.substr(0, pace.run.host.find('/'))},
                    {"engine", pace.run.engine},
                    {"threads", pace.run.threads},
                    {"trials", pace.run.trials},
                    {"seconds", pace.seconds},
                    {"started", pace.run.started},
                    {"state", state_of(pace.run)},
                    {"end", pace.run.end}});
  }
  nlohmann::json files = nlohmann::json::array();
  for (const auto& [file, standing] : status.files) {
    nlohmann::json entry = standing_json(standing);
    entry["file"] = file;
    entry["share"] = standing.shares.empty() ? "" : standing.shares.front().text();
    files.push_back(std::move(entry));
  }
  nlohmann::json json = standing_json(status.all);
  json["open_shares"] = open_shares_json(status.all);
  json["runs"] = std::move(runs);
  json["files"] = std::move(files);
  return json;
}

void run(const StatusOptions& options) {
  const std::map<std::string, Status> plans = collect(options);
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, status] : plans) {
    if (options.json) {
      json[name] = to_json(status);
    } else {
      print(status);
    }
  }
  if (options.json) std::printf("%s\n", json.dump(2).c_str());
}

}  // namespace

void add_status_command(CLI::App& app, const GlobalOptions&) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App* command = app.add_subcommand(
      "status", "What is done of a campaign, by whom and how fast, and what is left");
  command->add_option("files", options->files, "Result file, or the files of all shares")
      ->required();
  command->add_flag("--json", options->json, "The same as JSON");
  command->callback([options] { run(*options); });
}

}  // namespace flatenn::cli
