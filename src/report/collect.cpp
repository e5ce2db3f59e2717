#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/log.h"
#include "flatenn/report/findings.h"
#include "flatenn/report/report.h"
#include "report/merge_plans.h"

namespace flatenn::report {
namespace {

namespace fs = std::filesystem;
constexpr int kDepth = 3;

/// Without what the library puts in brackets before its message, which is for programmers.
std::string reason(const nlohmann::json::exception& error) {
  const std::string what = error.what();
  return what.substr(std::min(what.size(), what.find("] ") + 2));
}

nlohmann::ordered_json parse_json(const fs::path& path, const std::string& text) {
  try {
    return nlohmann::ordered_json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    throw Error(detail::concat(path.string(), ": not valid JSON: ", reason(error)));
  }
}

/// Lets the sections read what a file says, so that one which flatenn did not write is named.
void check_readable(const fs::path& path, const Findings& alone) {
  try {
    build_sections(alone);
  } catch (const nlohmann::json::exception& error) {
    throw Error(detail::concat(path.string(), ": is not as flatenn writes it: ", reason(error)));
  } catch (const Error& error) {
    throw Error(detail::concat(path.string(), ": is not as flatenn writes it: ", error.what()));
  }
}

bool is_database(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".db" || extension == ".sqlite" || extension == ".sqlite3";
}

std::vector<nlohmann::json> read_epochs(const fs::path& path) {
  std::vector<nlohmann::json> epochs;
  if (!fs::exists(path)) return epochs;
  std::istringstream lines(read_file(path));
  int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.empty()) continue;
    auto epoch = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    // A crash can leave the last line unfinished; what stands before it is whole.
    if (epoch.is_discarded() && lines.peek() == EOF) break;
    FLATENN_CHECK(epoch.is_object(), path.string(), ":", number, ": not a JSON object");
    epochs.push_back(std::move(epoch));
  }
  return epochs;
}

/// Whether a folder holds a study's tuning candidates, of which tune.json beside it tells.
bool holds_candidates(const fs::path& folder) {
  return folder.filename() == "tune" && fs::exists(folder.parent_path() / "tune.json");
}

Run read_run(const fs::path& folder) {
  const fs::path path = folder / "run.json";
  Run run;
  run.record = parse_json(path, read_file(path));
  FLATENN_CHECK(run.record.is_object(), path.string(), ": expected a JSON object");
  const auto name = run.record.find("name");
  const bool named = name != run.record.end() && name->is_string();
  run.name = named ? name->get<std::string>() : folder.filename().string();
  run.epochs = read_epochs(folder / "metrics.jsonl");
  Findings alone;
  alone.runs = {run};
  check_readable(folder, alone);
  return run;
}

/// A file or folder whichever links lead to it.
using Identity = std::pair<dev_t, ino_t>;

int64_t trials_in(const campaign::PlanResult& plan) {
  int64_t trials = 0;
  for (const campaign::CellResult& cell : plan.cells) trials += cell.accuracy.count + cell.surplus;
  for (const campaign::StratumResult& stratum : plan.strata) trials += stratum.tried;
  return trials;
}

/// Gathers what lies under the paths given. What is named must be right; what else lies in a folder
/// and cannot be read is left out, with the reason. The same file is taken once.
class Collector {
 public:
  void add(const fs::path& path) {
    std::error_code error;
    FLATENN_CHECK(fs::exists(path, error), path.string(), ": ",
                  error ? error.message() : "no such file or folder");
    if (!is_new(path)) return;
    const size_t before = found_;
    const size_t before_left_out = findings_.left_out.size();
    if (fs::is_directory(path)) {
      add_named_folder(path);
    } else if (is_database(path)) {
      add_database(path);
    } else if (path.filename() == "run.json") {
      add_run(path.has_parent_path() ? path.parent_path() : ".");
    } else {
      FLATENN_CHECK(path.extension() == ".json", path.string(),
                    ": neither a run folder, a campaign database (.db) nor a result (.json)");
      add_json(path, /*required=*/true);
    }
    const bool all_left_out = found_ == before && findings_.left_out.size() > before_left_out;
    FLATENN_CHECK(!all_left_out, path.string(), ": holds nothing that can be shown; ",
                  findings_.left_out.back());
    FLATENN_CHECK(found_ > before, path.string(),
                  ": holds no run.json, no campaign database (.db) and no result of flatenn");
  }

  Findings take() { return std::move(findings_); }

 private:
  void leave_out(const std::string& what) {
    log::warn("left out: ", what);
    findings_.left_out.push_back(what);
  }

  /// Whether no path led there before.
  bool is_new(const fs::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return true;  // whoever opens it will say why
    return seen_.emplace(status.st_dev, status.st_ino).second;
  }

  void add_named_folder(const fs::path& folder) {
    const fs::path run = folder / "run.json";
    if (fs::is_regular_file(run) && is_new(run)) add_run(folder);
    add_folder(folder, kDepth);
  }

  /// Calls `add`, and leaves out what it cannot read.
  template <typename Add>
  void try_to(const Add& add) {
    try {
      add();
    } catch (const Error& error) {
      leave_out(error.what());
    } catch (const fs::filesystem_error& error) {
      leave_out(error.path1().string() + ": " + error.code().message());
    }
  }

  void add_folder(const fs::path& folder, int depth) {
    std::vector<fs::path> entries;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder))
      entries.push_back(entry.path());
    std::sort(entries.begin(), entries.end());
    for (const fs::path& entry : entries) {
      if (entry.filename() == "run.json") try_to([&] { add_entry(entry, depth); });
    }
    for (const fs::path& entry : entries) {
      if (entry.filename() != "run.json") try_to([&] { add_entry(entry, depth); });
    }
  }

  void add_entry(const fs::path& entry, int depth) {
    std::error_code error;
    const fs::file_status status = fs::status(entry, error);
    if (fs::is_directory(status)) {
      if (depth > 0 && !holds_candidates(entry) && is_new(entry)) add_folder(entry, depth - 1);
      return;
    }
    const bool wanted = is_database(entry) || entry.extension() == ".json";
    const bool loops = error == std::errc::too_many_symbolic_link_levels;
    FLATENN_CHECK(!loops, entry.string(), ": ", error.message());
    if (!wanted || !fs::exists(status)) return;
    FLATENN_CHECK(fs::is_regular_file(status), entry.string(), ": is not a regular file");
    if (!is_new(entry)) {
      ++found_;
    } else if (is_database(entry)) {
      add_database(entry);
    } else if (entry.filename() == "run.json") {
      add_run(entry.parent_path());
    } else {
      add_json(entry, /*required=*/false);
    }
  }

  void add_run(const fs::path& folder) {
    findings_.runs.push_back(read_run(folder));
    ++found_;
  }

  void add_database(const fs::path& path) {
    for (campaign::PlanResult& plan : campaign::load_results(path)) {
      add_plan(path, std::move(plan));
      ++found_;
    }
  }

  /// Equal fingerprints mean equal trials: a copy of the file, or the same campaign run again.
  void add_plan(const fs::path& path, campaign::PlanResult plan) {
    const auto [known, fresh] = plans_.try_emplace(
        plan.fingerprint, Known{.index = findings_.plans.size(), .path = path.string()});
    if (fresh) {
      findings_.plans.push_back(std::move(plan));
      return;
    }
    campaign::PlanResult& kept = findings_.plans[known->second.index];
    std::string other = path.string();
    if (trials_in(plan) > trials_in(kept)) {
      kept = std::move(plan);
      std::swap(other, known->second.path);
    }
    leave_out(
        detail::concat(other, ": its plan '", kept.name, "' is the one in ", known->second.path));
  }

  /// study.json and results of other commands; foreign JSON files are passed over unless named.
  void add_json(const fs::path& path, bool required) {
    nlohmann::json content;
    try {
      content = parse_json(path, read_file(path));
    } catch (const Error&) {
      if (required) throw;
      return;
    }
    if (!content.is_object() || !content.contains("flatenn_result")) return;
    FLATENN_CHECK(content["flatenn_result"].is_string(), path.string(),
                  ": 'flatenn_result' must be a string, the kind of result");
    const std::string kind = content["flatenn_result"].get<std::string>();
    if (kind == "study") {
      add_study(path, content);
    } else {
      Findings alone;
      alone.artifacts = {{kind, path.parent_path().filename().string(), std::move(content)}};
      check_readable(path, alone);
      findings_.artifacts.push_back(std::move(alone.artifacts.front()));
    }
    ++found_;
  }

  void add_study(const fs::path& path, const nlohmann::json& study) {
    try {
      const std::vector<Claim> claims = claims_from_json(study.at("claims"));
      const auto commands = study.at("commands").get<std::vector<std::string>>();
      findings_.title = study.at("title").get<std::string>();
      findings_.claims.insert(findings_.claims.end(), claims.begin(), claims.end());
      findings_.commands.insert(findings_.commands.end(), commands.begin(), commands.end());
    } catch (const nlohmann::json::exception& error) {
      throw Error(detail::concat(path.string(), ": not a study's result: ", reason(error)));
    }
  }

  struct Known {
    size_t index = 0;  ///< In findings_.plans.
    std::string path;
  };

  Findings findings_;
  size_t found_ = 0;
  std::set<Identity> seen_;
  std::map<std::string, Known> plans_;  ///< By fingerprint.
};

}  // namespace

std::string Run::arm() const {
  const auto text_at = [&](const char* pointer) {
    const auto place = nlohmann::ordered_json::json_pointer(pointer);
    return record.contains(place) && record[place].is_string() ? record[place].get<std::string>()
                                                               : std::string();
  };
  std::string recipe = text_at("/config/recipe");
  if (recipe.empty()) recipe = text_at("/config/optimizer/kind");
  if (recipe.empty()) return name;
  const std::string penalty = text_at("/config/sparsity/penalty");
  const auto threshold = nlohmann::ordered_json::json_pointer("/config/sparsity/fatrelu");
  const bool cut = record.contains(threshold) && record[threshold].is_number() &&
                   record[threshold].get<double>() > 0;
  const bool sparse = cut || (!penalty.empty() && penalty != "none");
  return recipe + (sparse ? "/sparse" : "/standard");
}

Findings collect(const std::vector<std::filesystem::path>& paths) {
  FLATENN_CHECK(!paths.empty(), "report: no input given");
  Collector collector;
  for (const fs::path& path : paths) collector.add(path);
  Findings findings = collector.take();
  findings.plans = merge_plans(std::move(findings.plans));
  if (findings.title.empty()) findings.title = "Fault tolerance report";
  return findings;
}

}  // namespace flatenn::report
