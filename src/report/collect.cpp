#include <algorithm>
#include <sstream>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
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

/// Gathers what lies under the paths given.
class Collector {
 public:
  void add(const fs::path& path) {
    FLATENN_CHECK(fs::exists(path), path.string(), ": no such file or folder");
    const size_t before = found_;
    if (fs::is_directory(path)) {
      add_folder(path, kDepth);
    } else if (is_database(path)) {
      add_database(path);
    } else if (path.filename() == "run.json") {
      add_run(path.has_parent_path() ? path.parent_path() : ".");
    } else {
      FLATENN_CHECK(path.extension() == ".json", path.string(),
                    ": neither a run folder, a campaign database (.db) nor a result (.json)");
      add_json(path, /*required=*/true);
    }
    FLATENN_CHECK(found_ > before, path.string(),
                  ": holds no run.json, no campaign database (.db) and no result of flatenn");
  }

  Findings take() { return std::move(findings_); }

 private:
  void add_folder(const fs::path& folder, int depth) {
    std::vector<fs::path> entries;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder))
      entries.push_back(entry.path());
    std::sort(entries.begin(), entries.end());
    if (fs::exists(folder / "run.json")) add_run(folder);
    for (const fs::path& entry : entries) {
      if (fs::is_directory(entry)) {
        if (depth > 0 && !holds_candidates(entry)) add_folder(entry, depth - 1);
      } else if (is_database(entry)) {
        add_database(entry);
      } else if (entry.extension() == ".json" && entry.filename() != "run.json") {
        add_json(entry, /*required=*/false);
      }
    }
  }

  void add_run(const fs::path& folder) {
    findings_.runs.push_back(read_run(folder));
    ++found_;
  }

  void add_database(const fs::path& path) {
    for (campaign::PlanResult& plan : campaign::load_results(path)) {
      findings_.plans.push_back(std::move(plan));
      ++found_;
    }
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
    ++found_;
    if (kind == "study") {
      add_study(path, content);
    } else {
      Findings alone;
      alone.artifacts = {{kind, path.parent_path().filename().string(), std::move(content)}};
      check_readable(path, alone);
      findings_.artifacts.push_back(std::move(alone.artifacts.front()));
    }
  }

  void add_study(const fs::path& path, const nlohmann::json& study) {
    try {
      for (Claim& claim : claims_from_json(study.at("claims")))
        findings_.claims.push_back(std::move(claim));
      for (const nlohmann::json& command : study.at("commands"))
        findings_.commands.push_back(command);
      findings_.title = study.at("title");
    } catch (const nlohmann::json::exception& error) {
      throw Error(detail::concat(path.string(), ": not a study's result: ", reason(error)));
    }
  }

  Findings findings_;
  size_t found_ = 0;
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
