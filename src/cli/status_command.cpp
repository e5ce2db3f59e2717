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
#include "flatenn/base/printable.h"
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

std::string state_of(const store::RunRow& run) {
  switch (run.life) {
    case store::RunLife::kRunning:
      return "running";
    case store::RunLife::kKilled:
      return "killed";
    case store::RunLife::kSilent:
      return "silent for " + format_duration(std::abs(std::difftime(
                                 std::time(nullptr), static_cast<std::time_t>(run.heartbeat))));
    case store::RunLife::kEnded:
      break;
  }
  return run.end;
}

/// All runs of a plan over the files, and what the files hold together.
struct Status {
  std::vector<campaign::PlanStanding> files;
  std::vector<Pace> paces;
  int64_t stored = 0;
  int64_t at_most = 0;
  int64_t left() const { return std::max<int64_t>(0, at_most - stored); }
  double rate_now() const;
};

double Status::rate_now() const {
  double rate = 0;
  for (const Pace& pace : paces) rate += pace.is_running() ? pace.rate() : 0;
  return rate;
}

std::map<std::string, Status> collect(const StatusOptions& options) {
  std::map<std::string, Status> plans;
  std::map<std::string, std::string> fingerprints;
  for (const std::string& file : options.files) {
    const store::Store store = store::Store::open(file, store::Store::Access::kRead);
    for (const store::PlanRow& row : store.plans()) {
      const auto known = fingerprints.emplace(row.name, row.fingerprint).first;
      FLATENN_CHECK(known->second == row.fingerprint, file, ": plan '", row.name,
                    "' means something else than in the files before; flatenn merge says what");
      Status& status = plans[row.name];
      campaign::PlanStanding standing = campaign::standing_of(store, row);
      status.stored += standing.stored();
      status.at_most = std::max(status.at_most, standing.at_most());
      for (const store::RunRow& run : standing.runs) status.paces.push_back(pace_of(file, run));
      status.files.push_back(std::move(standing));
    }
  }
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
                    state_of(pace.run)});
  }
  print_text_table(columns, rows);
}

void print(const std::string& name, const Status& status) {
  if (status.files.size() == 1) {
    print_standing(status.files.front());
    print_open_cells(status.files.front());
  } else {
    std::printf("plan '%s': %ld trials stored in %zu files, at most %ld left of %ld\n",
                printable(name).c_str(), status.stored, status.files.size(), status.left(),
                status.at_most);
  }
  print_runs(status);
  const double rate = status.rate_now();
  if (rate > 0 && status.left() > 0) {
    std::printf("  %.3g trials/s now, at most %s left\n", rate,
                format_duration(static_cast<double>(status.left()) / rate).c_str());
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
  for (const campaign::PlanStanding& file : status.files) files.push_back(standing_json(file));
  return {{"stored", status.stored}, {"left", status.left()}, {"runs", runs}, {"files", files}};
}

void run(const StatusOptions& options) {
  const std::map<std::string, Status> plans = collect(options);
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, status] : plans) {
    if (options.json) {
      json[name] = to_json(status);
    } else {
      print(name, status);
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
