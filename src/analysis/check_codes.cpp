#include "flatenn/analysis/check_codes.h"

#include <algorithm>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "fault/protected_memory.h"
#include "flatenn/fault/memory_layout.h"

namespace flatenn::analysis {
namespace {

struct NamedCode {
  const char* name;
  fault::CheckCode code;
  bool zero_detected;
};

constexpr NamedCode kCodes[] = {{"none", fault::CheckCode::kNone, false},
                                {"parity", fault::CheckCode::kParity, false},
                                {"secded", fault::CheckCode::kSecded, false},
                                {"secded, zeroing", fault::CheckCode::kSecded, true}};

double extra_share(const fault::MemoryLayout& layout, fault::CheckCode code) {
  int64_t extra = 0;
  for (const fault::MemoryTensor& tensor : layout.tensors)
    extra += fault::protected_units(code, tensor) * fault::check_bits(code);
  return static_cast<double>(extra) / static_cast<double>(layout.weight_bits());
}

/// Index of the code to propose.
void propose(const HardeningOptions& options, CheckCodeReport& report) {
  const double wanted = report.golden_accuracy - options.tolerated_drop;
  const auto better = [&](const CheckCodeOutcome& a, const CheckCodeOutcome& b) {
    const bool a_enough = a.accuracy.mean >= wanted, b_enough = b.accuracy.mean >= wanted;
    if (a_enough != b_enough) return a_enough;
    return a_enough ? a.extra_share < b.extra_share : a.accuracy.mean > b.accuracy.mean;
  };
  const auto best = std::min_element(report.codes.begin(), report.codes.end(), better);
  report.proposed = static_cast<size_t>(best - report.codes.begin());
  report.reached = best->accuracy.mean >= wanted;
}

}  // namespace

CheckCodeReport compare_check_codes(const std::shared_ptr<const net::Network>& network,
                                    engine::Engine& engine, const engine::ImageCodes& images,
                                    std::span<const uint16_t> labels, double golden_accuracy,
                                    const HardeningOptions& options) {
  check(options);
  CheckCodeReport report{.golden_accuracy = golden_accuracy, .codes = {}};
  for (const NamedCode& code : kCodes) {
    fault::FaultModel model = fault::FaultModel::of_kind(options.kind, options.encoding);
    model.protection = {.code = code.code, .zero_detected = code.zero_detected};
    const fault::Injector injector(network, model);
    const FaultyRuns runs =
        run_trials(injector, engine, images, labels, options.rate, options.seed, options.trials);
    report.codes.push_back({.name = code.name,
                            .protection = model.protection,
                            .extra_share = extra_share(injector.layout(), code.code),
                            .accuracy = map_mean(runs.accuracies)});
  }
  propose(options, report);
  return report;
}

std::string check_code_plan_toml(const PlanTarget& target, const CheckCodeReport& report,
                                 const HardeningOptions& options) {
  const CheckCodeOutcome& code = report.codes[report.proposed];
  std::ostringstream toml;
  toml << "# Check code \"" << code.name << "\": " << 100 * code.extra_share
       << " % more memory, mean accuracy " << 100 * code.accuracy.mean << " %.\n"
       << plan_head("check code: " + code.name, target, options) << "kinds = ["
       << std::quoted(fault::to_string(options.kind))
       << "]\n\n[memory]\nencoding = " << std::quoted(fault::to_string(options.encoding))
       << "\n\n[protection]\ncode = " << std::quoted(fault::to_string(code.protection.code))
       << "\nzero_detected = " << (code.protection.zero_detected ? "true" : "false") << "\n";
  return toml.str();
}

nlohmann::json to_json(const CheckCodeReport& report) {
  nlohmann::json codes = nlohmann::json::array();
  for (const CheckCodeOutcome& code : report.codes) {
    codes.push_back({{"name", code.name},
                     {"code", fault::to_string(code.protection.code)},
                     {"zero_detected", code.protection.zero_detected},
                     {"extra_share", code.extra_share},
                     {"accuracy", code.accuracy.mean},
                     {"accuracy_se", code.accuracy.standard_error}});
  }
  return {{"codes", codes},
          {"proposed", report.codes[report.proposed].name},
          {"reached", report.reached}};
}

}  // namespace flatenn::analysis
