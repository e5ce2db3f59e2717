#include "study/widen.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>
#include <set>

#include "study/plan_arms.h"

namespace flatenn::study {
namespace {

const double kHalfDecade = std::sqrt(10.0);
/// Neighbours closer than this, as a ratio, are not worth a training between them.
constexpr double kLeastRatio = 1.2;

/// A key whose values have a scale without a natural end.
struct WideKey {
  const char* name;
  double factor;
  double most = std::numeric_limits<double>::infinity();
};
const WideKey kWideKeys[] = {{"optimizer.learning_rate", kHalfDecade},
                             {"optimizer.scale_learning_rate", kHalfDecade},
                             {"optimizer.weight_decay", kHalfDecade},
                             {"sharpness.rho", 2},
                             {"sharpness.rho_relative", 2},
                             {"sharpness.eta", kHalfDecade},
                             {"sparsity.strength", kHalfDecade},
                             {"quant.tied_factor", 2},
                             {"randbet.rate", 2, 0.5},
                             {"weight_range.limit", 2},
                             {"weight_range.penalty", kHalfDecade},
                             {"weight_range.code_rms_strength", kHalfDecade}};

const WideKey* wide_key(const std::string& name) {
  const auto* key = std::find_if(std::begin(kWideKeys), std::end(kWideKeys),
                                 [&](const WideKey& wide) { return name == wide.name; });
  return key == std::end(kWideKeys) ? nullptr : key;
}

struct KeyValue {
  std::string key, value;
};

std::vector<KeyValue> split(const std::string& setting) {
  std::vector<KeyValue> pairs;
  for (const std::string& word : settings_of(setting)) {
    const size_t equals = word.find('=');
    pairs.push_back({word.substr(0, equals), word.substr(equals + 1)});
  }
  return pairs;
}

std::optional<double> positive(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || *end != '\0' || !(value > 0)) return std::nullopt;
  return value;
}

/// Positive values of a key that were tried, each once, in order.
std::set<double> values_of(const std::vector<Tried>& tried, const std::string& key) {
  std::set<double> values;
  for (const Tried& one : tried) {
    for (const KeyValue& pair : split(one.setting)) {
      const std::optional<double> value = positive(pair.value);
      if (pair.key == key && value) values.insert(*value);
    }
  }
  return values;
}

/// Two digits where they say it to a hundredth, else three.
std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", value);
  if (std::abs(std::atof(text) / value - 1) > 0.01) std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

/// `setting` with another value of a key.
std::string with_value(const std::string& setting, const std::string& key, double value) {
  std::string text;
  for (const KeyValue& pair : split(setting))
    text += (text.empty() ? "" : " ") + pair.key + "=" +
            (pair.key == key ? number_text(value) : pair.value);
  return text;
}

/// One key of the best candidate, among the values of it that were tried.
struct Axis {
  const WideKey* key;
  double value;
  std::set<double> values;

  bool at_low_end() const { return value == *values.begin(); }
  bool at_high_end() const { return value == *values.rbegin() && value < key->most; }
};

std::vector<Axis> axes_of(const std::vector<Tried>& tried, const Tried& best) {
  std::vector<Axis> axes;
  for (const KeyValue& pair : split(best.setting)) {
    const WideKey* key = wide_key(pair.key);
    const std::optional<double> value = positive(pair.value);
    if (key == nullptr || !value) continue;
    Axis axis{key, *value, values_of(tried, pair.key)};
    if (axis.values.size() > 1) axes.push_back(std::move(axis));
  }
  return axes;
}

std::vector<std::string> beyond_edges(const std::vector<Axis>& axes, const Tried& best) {
  std::vector<std::string> settings;
  for (const Axis& axis : axes) {
    if (axis.at_low_end())
      settings.push_back(with_value(best.setting, axis.key->name, axis.value / axis.key->factor));
    if (axis.at_high_end())
      settings.push_back(with_value(best.setting, axis.key->name,
                                    std::min(axis.value * axis.key->factor, axis.key->most)));
  }
  return settings;
}

/// Between the best and its neighbours, furthest ones first.
std::vector<std::string> between(const std::vector<Axis>& axes, const Tried& best) {
  struct Gap {
    double ratio;
    std::string setting;
  };
  std::vector<Gap> gaps;
  for (const Axis& axis : axes) {
    const auto at = axis.values.find(axis.value);
    for (const auto neighbour : {at == axis.values.begin() ? at : std::prev(at),
                                 std::next(at) == axis.values.end() ? at : std::next(at)}) {
      const double ratio = std::max(*neighbour / axis.value, axis.value / *neighbour);
      if (ratio < kLeastRatio) continue;
      gaps.push_back(
          {ratio, with_value(best.setting, axis.key->name, std::sqrt(*neighbour * axis.value))});
    }
  }
  std::stable_sort(gaps.begin(), gaps.end(),
                   [](const Gap& a, const Gap& b) { return a.ratio > b.ratio; });
  std::vector<std::string> settings;
  for (Gap& gap : gaps) settings.push_back(std::move(gap.setting));
  return settings;
}

}  // namespace

const Tried* best_of(const std::vector<Tried>& tried) {
  const Tried* best = nullptr;
  for (const Tried& one : tried) {
    if (!one.diverged && (best == nullptr || one.score > best->score)) best = &one;
  }
  return best;
}

std::vector<std::string> keys_at_edge(const std::vector<Tried>& tried) {
  std::vector<std::string> keys;
  const Tried* best = best_of(tried);
  if (best == nullptr) return keys;
  for (const Axis& axis : axes_of(tried, *best)) {
    if (axis.at_low_end() || axis.at_high_end()) keys.emplace_back(axis.key->name);
  }
  return keys;
}

std::vector<std::string> propose(const std::vector<Tried>& tried, int64_t count) {
  const Tried* best = best_of(tried);
  if (best == nullptr) return {};
  const std::vector<Axis> axes = axes_of(tried, *best);
  std::vector<std::string> settings = beyond_edges(axes, *best);
  if (settings.empty()) {
    settings = between(axes, *best);
    if (settings.size() > 1) settings.erase(settings.begin() + 1, settings.end());
  }
  std::vector<std::string> fresh;
  for (std::string& setting : settings) {
    const bool known = std::any_of(tried.begin(), tried.end(),
                                   [&](const Tried& one) { return one.setting == setting; });
    if (!known && static_cast<int64_t>(fresh.size()) < count) fresh.push_back(std::move(setting));
  }
  return fresh;
}

}  // namespace flatenn::study
