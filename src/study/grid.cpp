#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "flatenn/base/error.h"
#include "flatenn/fault/encoding.h"
#include "flatenn/fault/fault_model.h"
#include "flatenn/nn/quantizer.h"
#include "flatenn/study/regimes.h"
#include "study/grid_cells.h"
#include "study/read_definition.h"

namespace flatenn::study {
namespace {

constexpr const char* kAsAll = "all";
constexpr int64_t kLeastBits = 2, kMostBits = 8;
constexpr int64_t kMostLiqBits = 7;  ///< Its values are odd numbers up to 2^b - 1, in 8 bits.

/// An axis of the definition: each value once, at least one.
std::vector<std::string> read_axis(Config& config, const std::string& key) {
  const std::vector<std::string> values = config.get_strings(key, {});
  if (values.empty()) config.fail(key, "is an empty axis; it needs at least one value");
  std::set<std::string> seen;
  for (const std::string& value : values) {
    if (!seen.insert(value).second) config.fail(key, "'" + value + "' stands twice");
  }
  return values;
}

/// Throws Error at the key where `parse` throws one.
template <typename Parse>
void check_values(const Config& config, const std::string& key,
                  const std::vector<std::string>& values, const Parse& parse) {
  for (const std::string& value : values) {
    try {
      parse(value);
    } catch (const Error& error) {
      config.fail(key, error.what());
    }
  }
}

int64_t parse_bits(const std::string& digits, const std::string& what) {
  const bool one =
      digits.size() == 1 && digits[0] >= '0' + kLeastBits && digits[0] <= '0' + kMostBits;
  FLATENN_CHECK(one, "expected ", what, ", each 2 to 8 bits");
  return digits[0] - '0';
}

struct Bits {
  int64_t weights = 0, activations = 0;
};

/// Of "w4a4".
Bits parse_both_bits(const std::string& text) {
  const std::string what = "'w4a4' and the like, got '" + text + "'";
  FLATENN_CHECK(text.size() == 4 && text[0] == 'w' && text[2] == 'a', "expected ", what,
                ", each 2 to 8 bits");
  return {parse_bits(text.substr(1, 1), what), parse_bits(text.substr(3, 1), what)};
}

/// 0: as all layers.
int64_t parse_first_last(const std::string& text) {
  if (text == kAsAll) return 0;
  return parse_bits(text, "'all' (as all layers) or a number, got '" + text + "'");
}

/// Share of zeros; 0: not sparse.
double parse_sparsity(const std::string& text) {
  if (text == kNoSparsity) return 0;
  double percent = 0;
  size_t used = 0;
  try {
    percent = std::stod(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  FLATENN_CHECK(used == text.size() && percent > 0 && percent < 100,
                "expected 'none' or percent of zeros between 0 and 100, got '", text, "'");
  return percent / 100;
}

void read_axes(Config& config, Grid& grid) {
  grid.bits = read_axis(config, "grid.bits");
  check_values(config, "grid.bits", grid.bits, parse_both_bits);
  grid.first_last = read_axis(config, "grid.first_last");
  check_values(config, "grid.first_last", grid.first_last, parse_first_last);
  grid.quantizers = read_axis(config, "grid.quantizers");
  check_values(config, "grid.quantizers", grid.quantizers, nn::parse_weight_quantizer);
  grid.sparsities = read_axis(config, "grid.sparsity");
  check_values(config, "grid.sparsity", grid.sparsities, parse_sparsity);
  grid.sparsity_margin = config.get_double("grid.sparsity_margin", 0, DoubleRange{-0.1, 0.1});
  grid.recipes = read_axis(config, "grid.recipes");
  check_values(config, "grid.recipes", grid.recipes, [&](const std::string& recipe) {
    FLATENN_CHECK(grid.shared.recipes.count(recipe) != 0, "there is no [recipes.", recipe, "]");
  });
  grid.encodings = read_axis(config, "grid.encodings");
  check_values(config, "grid.encodings", grid.encodings, fault::parse_encoding);
}

void read_cells(Config& config, Grid& grid) {
  CampaignCells& cells = grid.shared.campaign;
  cells.kinds = read_axis(config, "grid.kinds");
  check_values(config, "grid.kinds", cells.kinds, fault::parse_fault_kind);
  cells.rates = config.get_doubles("grid.rates", {}, DoubleRange{0, 1});
  if (cells.rates.empty())
    config.fail("grid.rates", "is an empty axis; it needs at least one value");
}

void read_networks(Config& config, Grid& grid) {
  for (const std::string& name : read_axis(config, "grid.networks")) {
    const std::string table = "networks." + name;
    GridNetwork network{.name = name,
                        .base = config.get_string(table + ".base", ""),
                        .data = config.get_string(table + ".data", ""),
                        .warm_start = config.get_string(table + ".warm_start", ""),
                        .settings = config.get_strings(table + ".set", {}),
                        .sparse_settings = config.get_strings(table + ".sparse_set", {})};
    if (network.base.empty())
      config.fail("grid.networks", "'" + name + "' has no table [" + table + "] with a base");
    grid.networks.push_back(std::move(network));
  }
}

CellFilter read_claim(Config& config, const std::string& table, const Grid& grid) {
  CellFilter filter;
  for (const auto& [axis, values] : axes_of(grid)) {
    const std::string key = table + "." + axis;
    if (!config.has(key)) continue;
    std::vector<std::string> wanted;
    if (axis == kRates) {
      for (const double rate : config.get_doubles(key, {}, DoubleRange{0, 1}))
        wanted.push_back(rate_text(rate));
    } else {
      wanted = read_axis(config, key);
    }
    if (wanted.empty()) config.fail(key, "is empty; leave it out to claim all of the axis");
    for (const std::string& value : wanted) {
      if (std::find(values.begin(), values.end(), value) == values.end())
        config.fail(key, "'" + value + "' is not on the axis grid." + axis);
    }
    filter[axis] = wanted;
  }
  return filter;
}

void read_comparisons(Config& config, Grid& grid) {
  for (const std::string& id : config.child_names("comparisons")) {
    const std::string table = "comparisons." + id;
    GridComparison comparison{.id = id,
                              .statement = config.get_string(table + ".statement", id),
                              .better = config.get_string(table + ".better", ""),
                              .worse = config.get_string(table + ".worse", ""),
                              .quantity = config.get_choice(table + ".quantity", "accuracy",
                                                            {"accuracy", "accuracy kept"})};
    if (config.has(table + ".claim")) comparison.claim = read_claim(config, table + ".claim", grid);
    if (compared_arms(grid, comparison).empty())
      config.fail(table, detail::concat("no two arms are '", comparison.better, "' and '",
                                        comparison.worse, "'; arms are ", arm_names(grid)));
    grid.comparisons.push_back(std::move(comparison));
  }
  if (grid.comparisons.empty()) config.fail("comparisons", "none is given: [comparisons.NAME]");
}

std::string missing_reason(const Regime& regime) {
  const Bits bits = parse_both_bits(regime.bits);
  const int64_t ends = parse_first_last(regime.first_last);
  const bool liq = nn::parse_weight_quantizer(regime.quantizer) == nn::WeightQuantizerKind::kLiq;
  if (liq && std::max(bits.weights, ends) > kMostLiqBits) return "liq has 2 to 7 bits, no 8";
  if (ends == bits.weights && ends == bits.activations) return "first and last layer are as all";
  return "";
}

std::string ends_text(const std::string& first_last) {
  return first_last == kAsAll ? "all-alike" : "first" + first_last;
}

}  // namespace

bool has_grid(const Config& config) { return config.has("grid"); }

Grid read_grid(Config& config, const std::string& name) {
  Grid grid;
  grid.name = grid.shared.name = name;
  read_shared_keys(config, grid.shared);
  grid.epochs = config.get_int("epochs", 0, {.min = 0});
  grid.warm_epochs = config.get_int("warm_epochs", 0, {.min = 0});
  read_axes(config, grid);
  read_cells(config, grid);
  read_networks(config, grid);
  read_comparisons(config, grid);
  config.check_all_read();
  check_trials(config, grid.shared);
  nlohmann::json keys = config.resolved();
  keys.erase("seeds");
  keys.erase("title");
  grid.keys = keys.dump();
  return grid;
}

std::vector<Regime> regimes_of(const Grid& grid, std::vector<MissingRegime>& missing) {
  std::vector<Regime> regimes;
  for (size_t network = 0; network < grid.networks.size(); ++network) {
    for (const std::string& bits : grid.bits) {
      for (const std::string& first_last : grid.first_last) {
        for (const std::string& quantizer : grid.quantizers) {
          Regime regime{.network = network,
                        .bits = bits,
                        .first_last = first_last,
                        .quantizer = quantizer,
                        .name = grid.networks[network].name + "-" + bits + "-" +
                                ends_text(first_last) + "-" + quantizer};
          const std::string reason = missing_reason(regime);
          if (reason.empty()) {
            regimes.push_back(std::move(regime));
          } else {
            missing.push_back({regime.name, reason});
          }
        }
      }
    }
  }
  return regimes;
}

Definition definition_of(const Grid& grid, const Regime& regime) {
  const GridNetwork& network = grid.networks[regime.network];
  const Bits bits = parse_both_bits(regime.bits);
  Definition definition = grid.shared;
  definition.name = definition.title = regime.name;
  definition.base = network.base;
  definition.warm_start.config = network.warm_start;
  definition.settings = network.settings;
  for (const std::string& setting :
       {"quant.quantizer=\"" + regime.quantizer + "\"",
        detail::concat("quant.weight_bits=", bits.weights),
        detail::concat("quant.activation_bits=", bits.activations),
        detail::concat("quant.first_last_bits=", parse_first_last(regime.first_last))})
    definition.settings.push_back(setting);
  for (const std::string& sparsity : grid.sparsities) {
    Recipe& activation = definition.activations[activation_name(sparsity)];
    if (sparsity == kNoSparsity) continue;
    activation.settings = network.sparse_settings;
    activation.settings.push_back(
        detail::concat("sparsity.target=", parse_sparsity(sparsity) + grid.sparsity_margin));
  }
  for (const GridArm& arm : arms_of(grid)) definition.arms.push_back(arm.name());
  definition.campaign_encoding = grid.encodings.front();
  definition.encodings = definition.campaign;
  definition.encoding_names = {grid.encodings.begin() + 1, grid.encodings.end()};
  return definition;
}

}  // namespace flatenn::study
