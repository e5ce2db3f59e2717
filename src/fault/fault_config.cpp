#include "flatenn/fault/fault_config.h"

#include <algorithm>

#include "fault/source_checks.h"
#include "fault/unit_names.h"
#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

template <typename Enum>
Enum choose(Config& config, const std::string& key, const std::vector<std::string>& names) {
  const std::string name = config.get_choice(key, names.front(), names);
  return static_cast<Enum>(std::find(names.begin(), names.end(), name) - names.begin());
}

/// Nothing where the key is absent, which still makes it known as a valid one.
std::optional<double> optional_double(Config& config, const std::string& key, DoubleRange range) {
  const std::vector<double> values = config.get_doubles(key, {}, range);
  if (values.size() > 1) config.fail(key, "expected one number");
  return values.empty() ? std::nullopt : std::optional(values.front());
}

std::optional<int64_t> optional_int(Config& config, const std::string& key, IntRange range) {
  const std::vector<int64_t> values = config.get_ints(key, {}, range);
  if (values.size() > 1) config.fail(key, "expected one integer");
  return values.empty() ? std::nullopt : std::optional(values.front());
}

void read_kinds(Config& config, const std::string& table, FaultSource& source) {
  const std::vector<std::string>& kinds = fault_kind_names();
  const std::string shares = table + "shares";
  if (config.has(shares)) {
    if (config.has(table + "kind")) config.fail(table + "kind", "contradicts shares; give one");
    constexpr DoubleRange kShare{.min = 0, .max = 1};
    for (const std::string& name : kinds) {
      source.kinds.of(parse_fault_kind(name)) = config.get_double(shares + "." + name, 0, kShare);
    }
  } else if (config.has(table + "kind")) {
    source.kinds = KindShares::only(choose<FaultKind>(config, table + "kind", kinds));
  } else {
    (void)config.get_strings(table + "kind", {});  // a valid key, though absent
    source.follows_kind = source.unit != FaultUnit::kList && source.unit != FaultUnit::kLevel;
  }
}

void read_rates(Config& config, const std::string& table, FaultSource& source) {
  constexpr DoubleRange kRate{.min = 0, .max = 1};
  constexpr DoubleRange kFactor{.min = 0, .max = 1e12};
  source.rate = optional_double(config, table + "rate", kRate);
  source.count = optional_int(config, table + "count", {.min = 0});
  source.rate_factor = config.get_double(table + "rate_factor", 1, kFactor);
  source.bit_factors = config.get_doubles(table + "bit_factors", {}, kFactor);
  const std::vector<double> rates = config.get_doubles(table + "bit_rates", {}, kRate);
  if (rates.empty()) return;
  if (source.rate || source.count || !source.bit_factors.empty()) {
    config.fail(table + "bit_rates", "contradicts rate, count or bit_factors; give one");
  }
  source.rate = 1;  // bit_rates are factors of a certain event
  source.bit_factors = rates;
}

/// Rates of the two directions: an event has either, in shares of the sum.
void read_directions(Config& config, const std::string& table, FaultSource& source) {
  constexpr DoubleRange kRate{.min = 0, .max = 1};
  const std::string up_key = table + "rate_0_to_1";
  const std::string down_key = table + "rate_1_to_0";
  const auto up = optional_double(config, up_key, kRate);
  const auto down = optional_double(config, down_key, kRate);
  if (!up && !down) return;
  for (const char* const key : {"kind", "shares", "rate", "count", "rate_factor", "bit_rates"}) {
    if (config.has(table + key)) {
      config.fail(up ? up_key : down_key, std::string("contradicts ") + key + "; give one");
    }
  }
  const double sum = up.value_or(0) + down.value_or(0);
  if (sum > 1) config.fail(up_key, "and rate_1_to_0 must sum to at most 1");
  source.rate = sum;
  source.follows_kind = false;
  source.kinds = KindShares::only(FaultKind::kFlip0To1);
  if (sum == 0) return;
  source.kinds.flip_0_to_1 = up.value_or(0) / sum;
  source.kinds.flip_1_to_0 = down.value_or(0) / sum;
}

void read_drift(Config& config, const std::string& table, FaultSource& source) {
  if (source.unit != FaultUnit::kLevel) return;
  if (config.has(table + "kind") || config.has(table + "shares")) {
    config.fail(table + "unit", "level has noise, not kinds of faults");
  }
  LevelDrift& drift = source.drift;
  drift.time_ratio = config.get_double(table + "drift_time", 1, DoubleRange{1, 1e15});
  drift.exponent = config.get_double(table + "drift_exponent", 0, DoubleRange{-1, 1});
  drift.read_noise = config.get_double(table + "read_noise", 0, DoubleRange{0, 1});
  drift.spread = config.get_double(table + "drift_spread", 0, DoubleRange{0, 1});
}

std::vector<int> read_bits(Config& config, const std::string& key) {
  const std::vector<int64_t> bits = config.get_ints(key, {}, {.min = -32, .max = 31});
  return {bits.begin(), bits.end()};
}

void read_list(Config& config, const std::string& table, const std::filesystem::path& folder,
               FaultSource& source) {
  if (source.unit != FaultUnit::kList) return;
  const std::string file = config.get_string(table + "file", "");
  if (file.empty()) config.fail(table + "file", "unit list needs the file with the faults");
  source.list = std::make_shared<FaultList>(read_fault_list(folder / file));
}

FaultSource read_source(Config& config, const std::string& table,
                        const std::filesystem::path& folder) {
  FaultSource source;
  source.target = choose<FaultTarget>(config, table + "target", target_names());
  source.unit = choose<FaultUnit>(config, table + "unit", unit_names());
  read_kinds(config, table, source);
  read_rates(config, table, source);
  read_directions(config, table, source);
  read_drift(config, table, source);
  source.layers = config.get_strings(table + "layers", {});
  source.spare = config.get_strings(table + "spare", {});
  source.bits = read_bits(config, table + "bits");
  const bool several = source.unit == FaultUnit::kWord || source.unit == FaultUnit::kBurst;
  if (several) {
    source.length = static_cast<int>(
        config.get_int(table + "length", source.length, {.min = 1, .max = 1 << 20}));
  }
  if (source.unit == FaultUnit::kWord) {
    source.scattered = config.get_bool(table + "scattered", source.scattered);
  }
  if (source.target == FaultTarget::kActivations) {
    source.shared_buffer = config.get_bool(table + "shared_buffer", source.shared_buffer);
    if (config.has(table + "shared_buffer") && !source.follows_kind &&
        !source.kinds.has_defects()) {
      config.fail(table + "shared_buffer", "is for stuck-at faults; flips have no addresses");
    }
  }
  read_list(config, table, folder, source);
  return source;
}

/// [[faults]], each a source of its own.
std::vector<FaultSource> read_sources(Config& config, const std::vector<std::string>& tables,
                                      const std::filesystem::path& folder) {
  if (tables.front() != "0") config.fail("faults", "is a list of tables: write [[faults]]");
  for (const char* const key : {"layers", "spare", "bits", "biases"}) {
    if (config.has(key)) config.fail(key, "contradicts [[faults]]; say it there");
  }
  std::vector<FaultSource> sources;
  sources.reserve(tables.size());
  for (const std::string& name : tables) {
    sources.push_back(read_source(config, "faults." + name + ".", folder));
  }
  return sources;
}

/// What there is without [[faults]]: single bits of the plan's kind and rate, as its own keys
/// choose.
std::vector<FaultSource> read_plain_sources(Config& config) {
  FaultSource weights{.follows_kind = true};
  weights.layers = config.get_strings("layers", {});
  weights.spare = config.get_strings("spare", {});
  weights.bits = read_bits(config, "bits");
  std::vector<FaultSource> sources = {weights};
  if (config.get_bool("biases", false)) {
    sources.push_back({.target = FaultTarget::kBiases, .follows_kind = true});
  }
  return sources;
}

std::optional<ArrayGeometry> read_array(Config& config) {
  if (!config.has("memory.array")) return std::nullopt;
  constexpr IntRange kSide{.min = 1, .max = 1 << 24};
  ArrayGeometry array;
  array.rows = config.get_int("memory.array.rows", array.rows, kSide);
  array.columns = config.get_int("memory.array.columns", array.columns, kSide);
  array.bits_per_cell = static_cast<int>(
      config.get_int("memory.array.bits_per_cell", array.bits_per_cell, {.min = 1, .max = 8}));
  array.arrays = config.get_int("memory.array.arrays", array.arrays, {.min = 0});
  array.mapping = choose<ArrayMapping>(config, "memory.array.mapping", {"crossbar", "linear"});
  return array;
}

Protection read_protection(Config& config) {
  Protection protection;
  protection.code = choose<CheckCode>(config, "protection.code", {"none", "parity", "secded"});
  protection.zero_detected = config.get_bool("protection.zero_detected", false);
  protection.hardened_bits =
      static_cast<int>(config.get_int("protection.hardened_bits", 0, {.min = 0, .max = 8}));
  protection.clip_to_golden =
      config.get_choice("protection.clip", "none", {"none", "golden"}) == "golden";
  protection.clip_share = optional_double(config, "protection.clip_share", {.min = 0, .max = 1});
  return protection;
}

}  // namespace

const std::vector<std::string>& fault_tables() {
  static const std::vector<std::string> tables = {"memory", "faults", "protection"};
  return tables;
}

FaultModel read_fault_model(Config& config, const std::filesystem::path& folder) {
  FaultModel model;
  model.encoding = choose<Encoding>(config, "memory.encoding", encoding_names());
  model.array = read_array(config);
  model.protection = read_protection(config);
  const std::vector<std::string> tables = config.child_names("faults");
  model.sources =
      tables.empty() ? read_plain_sources(config) : read_sources(config, tables, folder);
  try {
    check_protection(model.protection);
    for (size_t i = 0; i < model.sources.size(); ++i) {
      check_source(model.sources[i], model, detail::concat("faults[", i, "]"));
    }
  } catch (const Error& error) {
    throw Error(config.name() + ": " + error.what());
  }
  return model;
}

}  // namespace flatenn::fault
