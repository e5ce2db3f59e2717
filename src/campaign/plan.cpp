#include "flatenn/campaign/plan.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "campaign/tolerance_search.h"
#include "flatenn/base/error.h"
#include "flatenn/data/catalogue.h"
#include "flatenn/data/own_data.h"
#include "flatenn/fault/fault_config.h"
#include "flatenn/fault/voltage.h"

namespace flatenn::campaign {
namespace {

constexpr DoubleRange kShare{0, 1};

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::vector<std::filesystem::path> read_models(Config& config,
                                               const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const std::string& model : config.get_strings("models", {})) {
    const std::filesystem::path path = model;
    paths.push_back(path.is_absolute() || folder == "." ? path : folder / path);
  }
  if (paths.empty()) config.fail("models", "name at least one model (an ONNX file)");
  return paths;
}

std::vector<FaultCase> cases_of(Config& config, const fault::FaultModel& base) {
  if (!base.follows_kind()) {
    if (config.has("kinds")) config.fail("kinds", "every one of [[faults]] has a kind of its own");
    return {{.name = "faults", .model = base}};
  }
  std::vector<FaultCase> cases;
  for (const std::string& name : config.get_strings("kinds", {"bit_flip"})) {
    const auto same = [&](const FaultCase& other) { return other.name == name; };
    if (std::any_of(cases.begin(), cases.end(), same)) config.fail("kinds", name + " stands twice");
    try {
      cases.push_back({.name = name, .model = base.with_kind(fault::parse_fault_kind(name))});
    } catch (const Error& error) {
      config.fail("kinds", error.what());
    }
  }
  if (cases.empty()) config.fail("kinds", "must not be empty");
  return cases;
}

std::vector<Level> rate_levels(Config& config) {
  std::vector<Level> levels;
  for (const double rate : config.get_doubles("rates", {0.001, 0.01}, kShare)) {
    levels.push_back({.rate = rate, .label = number_text(rate)});
  }
  return levels;
}

std::vector<Level> count_levels(Config& config, const fault::FaultModel& base) {
  const auto followers =
      std::count_if(base.sources.begin(), base.sources.end(),
                    [](const fault::FaultSource& source) { return source.follows_rate(); });
  if (followers != 1) config.fail("counts", "are for one source of faults; biases are another one");
  std::vector<Level> levels;
  for (const int64_t count : config.get_ints("counts", {}, {.min = 0})) {
    levels.push_back(
        {.count = count, .label = std::to_string(count) + (count == 1 ? " fault" : " faults")});
  }
  return levels;
}

/// A second axis: supply voltages whose rates a measured table gives.
std::vector<Level> voltage_levels(Config& config, const std::filesystem::path& folder) {
  const std::string file = config.get_string("voltage_table", "");
  if (file.empty()) config.fail("voltages", "need a voltage_table (CSV: voltage, rate)");
  const std::filesystem::path path = file;
  const auto table = fault::VoltageTable::read(path.is_absolute() ? path : folder / path);
  std::vector<Level> levels;
  for (const double voltage : config.get_doubles("voltages", {})) {
    try {
      levels.push_back(
          {.rate = table.rate(voltage), .voltage = voltage, .label = number_text(voltage) + " V"});
    } catch (const Error& error) {
      config.fail("voltages", error.what());
    }
  }
  return levels;
}

void sort_levels(Config& config, const std::string& key, std::vector<Level>& levels) {
  std::sort(levels.begin(), levels.end(),
            [](const Level& a, const Level& b) { return a.place() < b.place(); });
  for (size_t i = 1; i < levels.size(); ++i) {
    if (levels[i - 1].place() != levels[i].place()) continue;
    config.fail(key, levels[i].label + " stands twice");
  }
}

/// The one key among the three axes that the plan gives; "rates" where it gives none.
const char* level_key(const Config& config) {
  const char* chosen = nullptr;
  for (const char* const key : {"rates", "counts", "voltages"}) {
    if (!config.has(key)) continue;
    if (chosen != nullptr) config.fail(key, std::string("contradicts ") + chosen + "; give one");
    chosen = key;
  }
  return chosen != nullptr ? chosen : "rates";
}

std::vector<Level> read_levels(Config& config, const fault::FaultModel& base, const Plan& plan,
                               const std::filesystem::path& folder) {
  const std::string key = level_key(config);
  const bool single_fault = plan.single_fault != SingleFault::kOff;
  if (plan.search_within) {
    if (config.has(key)) config.fail(key, "contradicts find_tolerable, which chooses the rates");
    if (!base.follows_rate())
      config.fail("find_tolerable", "contradicts [[faults]], which all have their own rates");
    return search_levels(*plan.search_within);
  }
  if (single_fault) {
    if (config.has(key)) config.fail(key, "contradicts single_fault, whose trials have 1 fault");
    return {{.count = 1, .label = "1 fault"}};
  }
  if (!base.follows_rate()) {
    if (config.has(key)) config.fail(key, "contradicts [[faults]], which all have their own");
    return {{.label = "as given"}};
  }
  std::vector<Level> levels = key == "counts"     ? count_levels(config, base)
                              : key == "voltages" ? voltage_levels(config, folder)
                                                  : rate_levels(config);
  sort_levels(config, key, levels);
  return levels;
}

ImageChoice read_images(Config& config) {
  ImageChoice choice;
  const std::string mode = config.get_choice("images", "all", {"all", "auto"});
  if (mode == "auto") choice.mode = ImageChoice::Mode::kAuto;
  if (config.has("images_per_trial")) {
    if (mode == "auto") config.fail("images_per_trial", "contradicts images = \"auto\"");
    choice.mode = ImageChoice::Mode::kCount;
    choice.count = config.get_int("images_per_trial", 0, {.min = 1});
  }
  return choice;
}

SingleFault read_single_fault(Config& config) {
  const std::string mode =
      config.get_choice("single_fault", "off", {"off", "sampled", "exhaustive"});
  return mode == "off"       ? SingleFault::kOff
         : mode == "sampled" ? SingleFault::kSampled
                             : SingleFault::kExhaustive;
}

/// Keys that single faults, or their absence, would leave without effect.
void check_single_fault_keys(const Config& config, SingleFault mode) {
  const auto refuse = [&](std::initializer_list<const char*> keys, const std::string& reason) {
    for (const char* const key : keys) {
      if (config.has(key)) config.fail(key, reason);
    }
  };
  if (mode != SingleFault::kSampled) {
    refuse({"single_fault_error", "single_fault_confidence"},
           "has no meaning without single_fault = \"sampled\"");
  }
  if (mode == SingleFault::kOff) return;
  refuse({"faults", "biases"}, "contradicts single_fault, which tries single bits of weights");
  refuse({"trials"}, mode == SingleFault::kSampled
                         ? "contradicts single_fault; single_fault_error says how many are tried"
                         : "contradicts single_fault = \"exhaustive\", which tries every bit");
  refuse({"half_width", "wanted_accuracy", "tolerated_drop"}, "has no meaning with single_fault");
}

/// A search chooses its rates and when a rate has enough trials, on whole test sets.
void read_search(Config& config, Plan& plan) {
  if (!config.has("find_tolerable")) {
    if (config.has("within")) config.fail("within", "has no meaning without find_tolerable");
    return;
  }
  plan.tolerated_drop = config.get_double("find_tolerable", 0.01, DoubleRange{1e-6, 1});
  plan.search_within = config.get_double("within", 1.25, DoubleRange{1.02, 100});
  for (const char* const key :
       {"tolerated_drop", "half_width", "images", "images_per_trial", "single_fault"}) {
    if (config.has(key)) config.fail(key, "contradicts find_tolerable");
  }
}

/// A stratified cell has a fixed number of trials at a rate, each on all images.
void read_estimator(Config& config, Plan& plan) {
  plan.stratified =
      config.get_choice("estimator", "plain", {"plain", "stratified"}) == "stratified";
  if (!plan.stratified) return;
  const auto refuse = [&](const char* key, const char* reason) {
    if (config.has(key))
      config.fail(key, std::string("contradicts estimator = \"stratified\", ") + reason);
  };
  refuse("single_fault", "which draws whole maps");
  refuse("counts", "which draws the number of faults");
  refuse("find_tolerable", "which divides its trials among strata beforehand");
  refuse("half_width", "which divides its trials among strata beforehand; give trials");
  refuse("images_per_trial", "whose trials look at all images");
  if (config.has("images") && config.get_choice("images", "all", {"all", "auto"}) != "all")
    refuse("images", "whose trials look at all images");
}

std::optional<double> read_optional(Config& config, const std::string& key, DoubleRange range) {
  if (!config.has(key)) return std::nullopt;
  return config.get_double(key, 0, range);
}

/// Of a cell: beyond, not even a trial a millisecond would come to an end within hours.
constexpr int64_t kMostTrials = 10'000'000;

void read_stop(Config& config, Plan& plan) {
  const bool looks = plan.half_width || plan.search_within;
  plan.trials = config.get_int("trials", looks ? 1000 : 100, {.min = 1, .max = kMostTrials});
  plan.time_limit_s = config.get_double("time_limit", 0, DoubleRange{0, 1e9});
}

/// Paths of own data are relative to the plan's folder.
std::string read_data_name(Config& config, const std::filesystem::path& folder) {
  const std::string name = config.get_string("data", "");
  const std::filesystem::path path = folder / name;
  std::error_code none;
  const bool here = data::is_own_data(name) || std::filesystem::exists(path, none);
  if (name.empty() || data::is_known_data(name) || !here) return name;
  return data::settled_data_name(path.string());
}

}  // namespace

Plan read_plan(Config& config, const std::filesystem::path& folder) {
  Plan plan;
  plan.name = config.get_string("name", "campaign");
  if (plan.name.empty()) config.fail("name", "must not be empty");
  plan.models = read_models(config, folder);
  plan.dataset = read_data_name(config, folder);
  plan.split = config.get_choice("split", "test", {"test", "train"}) == "test"
                   ? data::Split::kTest
                   : data::Split::kTrain;
  plan.first_images = config.get_int("first_images", 0, {.min = 0});
  plan.single_fault = read_single_fault(config);
  plan.single_fault_error = config.get_double("single_fault_error", 0.05, DoubleRange{1e-4, 0.5});
  plan.single_fault_confidence =
      config.get_double("single_fault_confidence", 0.95, DoubleRange{0.5, 0.9999});
  const bool single = plan.single_fault != SingleFault::kOff;
  check_single_fault_keys(config, plan.single_fault);
  const fault::FaultModel base = fault::read_fault_model(config, folder);
  plan.kinds = cases_of(config, base);
  read_estimator(config, plan);
  read_search(config, plan);
  plan.levels = read_levels(config, base, plan, folder);
  plan.seed = static_cast<uint64_t>(config.get_int("seed", 0, {.min = 0}));
  plan.images = read_images(config);
  plan.half_width = read_optional(config, "half_width", {1e-6, 0.5});
  if (single && plan.images.mode != ImageChoice::Mode::kAll) {
    config.fail("images", "single faults are tried on all images (see first_images)");
  }
  read_stop(config, plan);
  plan.wanted_accuracy = read_optional(config, "wanted_accuracy", kShare);
  if (!plan.search_within)
    plan.tolerated_drop = config.get_double("tolerated_drop", 0.01, DoubleRange{0, 1});
  config.check_all_read();
  return plan;
}

}  // namespace flatenn::campaign
