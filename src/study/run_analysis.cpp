#include "study/run_analysis.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "flatenn/analysis/result_file.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/log.h"
#include "flatenn/base/shell.h"
#include "flatenn/interop/onnx.h"
#include "flatenn/net/content_hash.h"
#include "flatenn/nn/runtime.h"
#include "study/analysis_parts.h"
#include "study/run_campaigns.h"

namespace flatenn::study {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kOff = "off";
constexpr const char* kBrief = "brief";
constexpr const char* kFull = "full";

/// Whether a result of this network made in one of these ways is there.
bool is_finished(const fs::path& file, const std::string& model_hash,
                 const std::vector<json>& ways) {
  if (!fs::exists(file)) return false;
  const json found = json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!found.is_object() || found.value("model_hash", "") != model_hash) return false;
  return std::find(ways.begin(), ways.end(), found.value("settings", json())) != ways.end();
}

/// The same part of the level "full", whose results serve for less as well.
void add_full_way(const Definition& definition, const Training& training, const std::string& stem,
                  std::vector<json>& ways) {
  const auto full = definition.analysis.find(kFull);
  if (full == definition.analysis.end()) return;
  for (const AnalysisPart& part : analysis_parts(full->second, training.seed == 1)) {
    if (part.stem == stem) ways.push_back(part.settings);
  }
}

/// What the wanted level asks of a network and is not there yet.
std::vector<AnalysisPart> open_parts(const Definition& definition, const StudyOptions& options,
                                     const Training& training, const std::string& model_hash) {
  std::vector<AnalysisPart> parts =
      analysis_parts(*wanted_analysis(definition, options), training.seed == 1);
  std::erase_if(parts, [&](const AnalysisPart& part) {
    std::vector<json> ways = {part.settings};
    add_full_way(definition, training, part.stem, ways);
    return is_finished(analysis_folder(options, training) / (part.stem + ".json"), model_hash,
                       ways);
  });
  return parts;
}

/// How the subcommand that does a part alone is told to run where the study runs it. Costs are
/// estimated on the CPU.
std::string device_arguments(const std::string& kind, const StudyOptions& options) {
  if (options.device == "cpu" || kind == "cost") return "";
  const std::string name =
      engine_on(options).device == 0 ? "cuda" : detail::concat("cuda:", engine_on(options).device);
  const std::string device = " --device " + name;
  return kind == "landscape" ? device : " --engine " + name + device;
}

}  // namespace

fs::path analysis_folder(const StudyOptions& options, const Training& training) {
  return options.out / "analysis" / training.name;
}

const AnalysisSettings* wanted_analysis(const Definition& definition, const StudyOptions& options) {
  if (options.analysis == kOff) return nullptr;
  if (options.analysis.empty() && definition.analysis.count(kBrief) == 0) return nullptr;
  const std::string name = options.analysis.empty() ? kBrief : options.analysis;
  const auto found = definition.analysis.find(name);
  if (found != definition.analysis.end()) return &found->second;
  std::string levels = kOff;
  for (const auto& [level, settings] : definition.analysis) levels += ", " + level;
  throw Error(detail::concat("study ", definition.name, ": analysis: expected one of ", levels,
                             ", got '", name, "'"));
}

std::vector<std::string> open_analyses(const Definition& definition, const StudyOptions& options,
                                       const std::vector<Training>& trainings) {
  std::vector<std::string> lines;
  if (wanted_analysis(definition, options) == nullptr) return lines;
  for (const Training& training : trainings) {
    const fs::path model = options.out / "runs" / training.name / "model.onnx";
    if (!fs::exists(model)) continue;
    const std::string hash = net::content_hash(interop::read_onnx(model));
    for (const AnalysisPart& part : open_parts(definition, options, training, hash))
      lines.push_back(training.name + ": " + part.kind);
  }
  return lines;
}

bool run_analysis(const Definition& definition, const StudyOptions& options,
                  const Training& training, const fs::path& run) {
  if (wanted_analysis(definition, options) == nullptr || !fs::exists(run / "model.onnx"))
    return true;
  const fs::path folder = analysis_folder(options, training);
  const AnalysisInputs inputs(run, folder, options);
  for (const AnalysisPart& part : open_parts(definition, options, training, inputs.model_hash())) {
    nn::set_up_runtime(0);
    log::info(training.name, ": ", part.kind);
    try {
      analysis::write_result({folder, part.stem, part.kind}, *inputs.network(),
                             part.measure(inputs), part.settings);
    } catch (const AnalysisStopped&) {
      return false;
    }
  }
  return true;
}

std::vector<std::string> analysis_commands(const Definition& definition,
                                           const StudyOptions& options, const Training& training,
                                           const fs::path& run) {
  std::vector<std::string> commands;
  const AnalysisSettings* settings = wanted_analysis(definition, options);
  if (settings == nullptr) return commands;
  for (const AnalysisPart& part : analysis_parts(*settings, training.seed == 1)) {
    commands.push_back("flatenn " + part.kind + " " + shell_word(run.string()) + part.arguments +
                       device_arguments(part.kind, options) + " --out " +
                       shell_word(analysis_folder(options, training).string()));
  }
  return commands;
}

}  // namespace flatenn::study
