#include "flatenn/study/definition.h"

#include <algorithm>
#include <string_view>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/fault/encoding.h"
#include "flatenn/fault/fault_model.h"
#include "study/configs.h"
#include "study/plan_arms.h"
#include "study/read_definition.h"

namespace flatenn::study {
namespace {

constexpr DoubleRange kRate{0, 1};

struct NamedFile {
  const char* name;
  std::string_view (*content)();
};

/// One line a study: a name and its file in configs/ (src/study/CMakeLists.txt embeds it).
constexpr NamedFile kStudies[] = {{"lenet5", &study_lenet5_toml},
                                  {"resnet18", &study_resnet18_toml}};
/// The same of those with a grid of regimes.
constexpr NamedFile kGrids[] = {{"regimes-lenet5", &regimes_lenet5_toml},
                                {"regimes-resnet18", &regimes_resnet18_toml}};
/// Training configurations that studies build on.
constexpr NamedFile kTrainings[] = {
    {"lenet5-fashion-mnist-sgd-standard", &lenet5_fashion_mnist_sgd_standard_toml},
    {"cifar10-resnet18-float", &cifar10_resnet18_float_toml},
    {"cifar10-resnet18-w4a4-sgd-standard", &cifar10_resnet18_w4a4_sgd_standard_toml}};

template <size_t count>
std::string find(const NamedFile (&files)[count], const std::string& name, const char* what) {
  std::string choices;
  for (const NamedFile& file : files) {
    if (name == file.name) return std::string(file.content());
    choices += (choices.empty() ? "" : ", ") + std::string(file.name);
  }
  throw Error(detail::concat(what, ": expected one of ", choices, ", got '", name, "'"));
}

bool is_file(const std::string& name) { return name.ends_with(".toml"); }

std::map<std::string, Recipe> read_recipes(Config& config, const std::string& table) {
  std::map<std::string, Recipe> recipes;
  for (const std::string& name : config.child_names(table)) {
    const std::string key = table + "." + name;
    recipes[name] = {config.get_strings(key + ".set", {}),
                     config.get_double(key + ".epochs_factor", 1, DoubleRange{0.1, 100})};
  }
  return recipes;
}

CampaignCells read_cells(Config& config, const std::string& table, bool with_trials) {
  CampaignCells cells;
  cells.kinds = config.get_strings(table + ".kinds", {});
  cells.rates = config.get_doubles(table + ".rates", {}, kRate);
  if (!with_trials) return cells;
  cells.trials = config.get_int(table + ".trials", 0, {.min = 0});
  cells.images = config.get_int(table + ".images", 0, {.min = 0});
  return cells;
}

void read_warm_start(Config& config, Definition& definition) {
  definition.warm_start.config = config.get_string("warm_start.config", "");
  definition.warm_start.settings = config.get_strings("warm_start.set", {});
  if (definition.warm_start.config.empty() && !definition.warm_start.settings.empty())
    config.fail("warm_start.set", "needs a warm_start.config");
}

/// Each text is one that `parse` knows.
template <typename Parse>
std::vector<std::string> get_names(Config& config, const std::string& key, const Parse& parse) {
  std::vector<std::string> names = config.get_strings(key, {});
  for (const std::string& name : names) {
    try {
      parse(name);
    } catch (const Error& error) {
      config.fail(key, error.what());
    }
  }
  return names;
}

void read_encodings(Config& config, Definition& definition) {
  definition.encodings = read_cells(config, "encodings", true);
  definition.encoding_names = get_names(config, "encodings.names", fault::parse_encoding);
}

void check_candidate(const Config& config, const std::string& key, const std::string& candidate) {
  const std::vector<std::string> settings = settings_of(candidate);
  const bool valid = std::all_of(settings.begin(), settings.end(), [](const std::string& setting) {
    return setting.find('=', 1) != std::string::npos;
  });
  if (settings.empty() || !valid)
    config.fail(key, "expected \"key=value\", or several with spaces between them, got \"" +
                         candidate + "\"");
}

/// A method that is given more tries looks better than it is.
void check_equal_tries(const Config& config, const Definition& definition) {
  for (const auto& [recipe, candidates] : definition.tuning.candidates) {
    const auto& [first, others] = *definition.tuning.candidates.begin();
    if (candidates.size() != others.size())
      config.fail("tune.candidates." + recipe,
                  detail::concat("has ", candidates.size(), ", ", first, " has ", others.size(),
                                 "; recipes are compared after equally many tries"));
  }
}

std::vector<double> read_tuning_rates(Config& config) {
  if (!config.has("tune.rates")) return {config.get_double("tune.rate", 0.01, kRate)};
  if (config.has("tune.rate")) config.fail("tune.rate", "tune.rates is given, too; give one");
  std::vector<double> rates = config.get_doubles("tune.rates", {}, kRate);
  if (rates.empty()) config.fail("tune.rates", "is empty; it needs at least one rate");
  return rates;
}

/// Twice as many as the definition lists, unless it says otherwise.
void read_budget(Config& config, TuningPlan& tuning) {
  const auto listed = tuning.candidates.empty()
                          ? int64_t{0}
                          : static_cast<int64_t>(tuning.candidates.begin()->second.size());
  tuning.budget = config.get_int("tune.budget", 2 * listed, {.min = 0});
  if (tuning.budget < listed)
    config.fail("tune.budget",
                detail::concat("expected at least the ", listed,
                               " candidates listed for each recipe, got ", tuning.budget));
}

void read_tuning(Config& config, Definition& definition) {
  TuningPlan& tuning = definition.tuning;
  tuning.hold_out = config.get_int("tune.hold_out", 5000, {.min = 1});
  tuning.epochs = config.get_int("tune.epochs", 0, {.min = 0});
  tuning.kinds = get_names(config, "tune.kinds", fault::parse_fault_kind);
  tuning.rates = read_tuning_rates(config);
  tuning.encodings = get_names(config, "tune.encodings", fault::parse_encoding);
  tuning.trials = config.get_int("tune.trials", 10, {.min = 1});
  tuning.seed = static_cast<uint64_t>(config.get_int("tune.seed", 1, {.min = 0}));
  for (const std::string& recipe : config.child_names("tune.candidates")) {
    const std::string key = "tune.candidates." + recipe;
    tuning.candidates[recipe] = config.get_strings(key, {});
    if (definition.recipes.count(recipe) == 0) config.fail(key, "there is no such recipe");
    for (const std::string& candidate : tuning.candidates[recipe])
      check_candidate(config, key, candidate);
  }
  check_equal_tries(config, definition);
  read_budget(config, tuning);
  tuning.halving = config.get_int("tune.halving", 0, {.min = 0, .max = 100});
  if (tuning.halving == 1)
    config.fail("tune.halving", "must be 0 (off) or at least 2: the best of so many go on");
}

/// A claim looks at cells that the campaign has.
void check_claims(const Config& config, const Definition& definition) {
  const auto has = [](const auto& all, const auto& one) {
    return std::find(all.begin(), all.end(), one) != all.end();
  };
  for (const std::string& kind : definition.claims.kinds) {
    if (!has(definition.campaign.kinds, kind))
      config.fail("claims.kinds", "'" + kind + "' is not among campaign.kinds");
  }
  for (const double rate : definition.claims.rates) {
    if (!has(definition.campaign.rates, rate))
      config.fail("claims.rates", detail::concat(rate, " is not among campaign.rates"));
  }
}

std::string names_of(const std::map<std::string, Recipe>& recipes) {
  std::string names;
  for (const auto& [name, recipe] : recipes) names += (names.empty() ? "" : ", ") + name;
  return names;
}

}  // namespace

Arm Definition::arm(const std::string& arm_name) const {
  const size_t dash = arm_name.rfind('-');
  if (dash != std::string::npos) {
    const std::string recipe = arm_name.substr(0, dash), activation = arm_name.substr(dash + 1);
    if (recipes.count(recipe) != 0 && activations.count(activation) != 0)
      return {arm_name, recipe, activation};
  }
  throw Error(detail::concat("study ", name, ": arm '", arm_name,
                             "': expected RECIPE-ACTIVATION, recipes ", names_of(recipes),
                             ", activations ", names_of(activations)));
}

void read_shared_keys(Config& config, Definition& definition) {
  definition.title = config.get_string("title", definition.name);
  definition.seeds = config.get_int("seeds", 1, {.min = 1, .max = 1000});
  definition.recipes = read_recipes(config, "recipes");
  definition.campaign.trials = config.get_int("campaign.trials", 0, {.min = 0});
  definition.campaign.images = config.get_int("campaign.images", 0, {.min = 0});
  definition.campaign_seed = static_cast<uint64_t>(config.get_int("campaign.seed", 1, {.min = 0}));
  definition.min_seeds = config.get_int("claims.min_seeds", 3, {.min = 3});
  read_tuning(config, definition);
}

void check_trials(const Config& config, const Definition& definition) {
  if (definition.campaign.trials < 2)
    config.fail("campaign.trials", "an interval needs at least 2");
}

Definition read_definition(Config& config, const std::string& name) {
  Definition definition;
  definition.name = name;
  read_shared_keys(config, definition);
  definition.base = config.get_string("base", "");
  definition.settings = config.get_strings("set", {});
  definition.arms = config.get_strings("arms", {});
  definition.activations = read_recipes(config, "activations");
  definition.campaign.kinds = config.get_strings("campaign.kinds", {});
  definition.campaign.rates = config.get_doubles("campaign.rates", {}, kRate);
  definition.spared = read_cells(config, "spared", true);
  definition.spared_layer = config.get_string("spared.layer", "");
  read_encodings(config, definition);
  read_warm_start(config, definition);
  definition.claims = read_cells(config, "claims", false);
  definition.flatness_kind = config.get_string("claims.flatness_kind", "bit_flip");
  definition.flatness_rate = config.get_double("claims.flatness_rate", 0.01, kRate);
  definition.cost_margin = config.get_double("claims.cost_margin", 0.05, kRate);
  definition.analysis = read_analysis_levels(config);
  config.check_all_read();
  check_claims(config, definition);
  check_trials(config, definition);
  for (const std::string& arm : definition.arms) definition.arm(arm);
  return definition;
}

std::vector<std::string> definition_names() {
  std::vector<std::string> names;
  for (const NamedFile& file : kStudies) names.emplace_back(file.name);
  return names;
}

std::vector<std::string> grid_names() {
  std::vector<std::string> names;
  for (const NamedFile& file : kGrids) names.emplace_back(file.name);
  return names;
}

std::string grid_toml(const std::string& name) { return find(kGrids, name, "grid"); }
std::string definition_toml(const std::string& name) { return find(kStudies, name, "study"); }
std::string training_toml(const std::string& name) {
  if (is_file(name)) return read_file(name);
  return find(kTrainings, name, "training configuration");
}

std::string training_file(const std::string& name) {
  return is_file(name) ? name : "configs/" + name + ".toml";
}

}  // namespace flatenn::study
