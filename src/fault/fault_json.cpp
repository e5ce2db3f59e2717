#include <nlohmann/json.hpp>

#include "fault/unit_names.h"
#include "flatenn/base/error.h"
#include "flatenn/base/hash.h"
#include "flatenn/base/number.h"
#include "flatenn/fault/fault_config.h"

namespace flatenn::fault {
namespace {

using nlohmann::json;

json kinds_json(const FaultSource& source) {
  if (source.follows_kind) return "plan";
  json kinds = {{"bit_flip", source.kinds.bit_flip},
                {"stuck_at_0", source.kinds.stuck_at_0},
                {"stuck_at_1", source.kinds.stuck_at_1}};
  // Named where they have a share alone, so that older plans keep their fingerprints.
  for (const FaultKind kind : {FaultKind::kFlip0To1, FaultKind::kFlip1To0}) {
    if (source.kinds.of(kind) > 0) kinds[to_string(kind)] = source.kinds.of(kind);
  }
  return kinds;
}

/// A list's content; paths and lines do not matter.
std::string hash_of(const FaultList& list) {
  json content = json::array();
  for (const ListedFault& fault : list.faults) {
    content.push_back({fault.tensor, fault.element, fault.index, fault.bit, to_string(fault.kind)});
  }
  for (const ListedCell& cell : list.cells) {
    content.push_back({cell.cell.array, cell.cell.row, cell.cell.column, to_string(cell.kind)});
  }
  for (const ListedFault& check : list.check_faults) {
    content.push_back({"check", check.tensor, check.element, check.bit, to_string(check.kind)});
  }
  return sha256_hex(content.dump());
}

json source_json(const FaultSource& source) {
  json result = {{"target", to_string(source.target)}, {"unit", to_string(source.unit)}};
  if (source.unit == FaultUnit::kList) {
    result["list"] = source.list != nullptr ? hash_of(*source.list) : "";
    return result;
  }
  if (source.unit == FaultUnit::kLevel) {
    result["drift"] = {{"time", source.drift.time_ratio},
                       {"exponent", source.drift.exponent},
                       {"spread", source.drift.spread},
                       {"read_noise", source.drift.read_noise}};
  } else {
    result["kinds"] = kinds_json(source);
  }
  if (source.count) {
    result["count"] = *source.count;
  } else if (source.rate) {
    result["rate"] = *source.rate;
  } else {
    result["rate_factor"] = source.rate_factor;
  }
  if (!source.layers.empty()) result["layers"] = source.layers;
  if (!source.spare.empty()) result["spare"] = source.spare;
  if (!source.bits.empty()) result["bits"] = source.bits;
  if (!source.bit_factors.empty()) result["bit_factors"] = source.bit_factors;
  if (source.unit == FaultUnit::kWord || source.unit == FaultUnit::kBurst) {
    result["length"] = source.length;
  }
  if (source.unit == FaultUnit::kWord) result["scattered"] = source.scattered;
  if (source.target == FaultTarget::kActivations) result["shared_buffer"] = source.shared_buffer;
  return result;
}

json protection_json(const Protection& protection) {
  json result = {{"code", to_string(protection.code)}};
  if (protection.zero_detected) result["zero_detected"] = true;
  if (protection.hardened_bits > 0) result["hardened_bits"] = protection.hardened_bits;
  if (protection.clip_to_golden) result["clip"] = "golden";
  if (protection.clip_share) result["clip_share"] = *protection.clip_share;
  return result;
}

std::string describe_kinds(const FaultSource& source) {
  if (source.follows_kind) return "the plan's kind";
  if (!source.kinds.is_mix()) return to_string(source.kinds.pick(0));
  std::string text;
  for (const std::string& name : fault_kind_names()) {
    const double share = source.kinds.of(parse_fault_kind(name));
    if (share > 0) text += detail::concat(text.empty() ? "" : " ", name, ":", number_text(share));
  }
  return text;
}

std::string describe_rate(const FaultSource& source) {
  if (source.count) return detail::concat(", exactly ", *source.count);
  const std::string per = source.bit_factors.empty() ? "" : " times each bit's factor";
  if (source.rate) return detail::concat(" at ", *source.rate, per);
  if (source.rate_factor != 1)
    return detail::concat(" at ", source.rate_factor, " x the plan's rate", per);
  return " at the plan's rate" + per;
}

std::string describe_level(const FaultSource& source) {
  std::string text = "noise of levels";
  text += source.rate ? detail::concat(" of ", number_text(*source.rate), " of the range")
                      : describe_rate(source) + " of the range";
  const LevelDrift& drift = source.drift;
  if (drift.read_noise > 0) {
    text += detail::concat(", noise of each read ", number_text(drift.read_noise));
  }
  if (drift.time_ratio > 1) {
    text += detail::concat(", drift over ", number_text(drift.time_ratio), " t0 with exponent ",
                           number_text(drift.exponent), " +- ", number_text(drift.spread));
  }
  return text;
}

std::string describe(const FaultSource& source) {
  if (source.unit == FaultUnit::kList) {
    return detail::concat("a list of ", source.list->faults.size() + source.list->cells.size(),
                          " defects");
  }
  std::string text;
  if (source.unit == FaultUnit::kLevel) {
    text = describe_level(source);
  } else {
    text = describe_kinds(source) + " in " + to_string(source.target);
    if (source.unit != FaultUnit::kBit) text += " by " + to_string(source.unit);
    text += describe_rate(source);
  }
  for (const std::string& layer : source.layers) text += " " + layer;
  for (const std::string& layer : source.spare) text += " not:" + layer;
  for (const int bit : source.bits) text += detail::concat(" bit:", bit);
  return text;
}

}  // namespace

const std::vector<std::string>& unit_names() {
  static const std::vector<std::string> names = {"bit",    "word", "burst", "row",
                                                 "column", "cell", "list",  "level"};
  return names;
}

const std::vector<std::string>& target_names() {
  static const std::vector<std::string> names = {"weights", "biases", "activations"};
  return names;
}

std::string to_string(FaultUnit unit) { return unit_names().at(static_cast<size_t>(unit)); }
std::string to_string(FaultTarget target) { return target_names().at(static_cast<size_t>(target)); }

nlohmann::json to_json(const FaultModel& model) {
  json result = {{"encoding", to_string(model.encoding)}, {"sources", json::array()}};
  for (const FaultSource& source : model.sources) result["sources"].push_back(source_json(source));
  if (model.array) {
    result["array"] = {{"rows", model.array->rows},
                       {"columns", model.array->columns},
                       {"bits_per_cell", model.array->bits_per_cell},
                       {"mapping", to_string(model.array->mapping)}};
  }
  if (!model.protection.none()) result["protection"] = protection_json(model.protection);
  return result;
}

std::string describe(const FaultModel& model) {
  std::string text;
  for (const FaultSource& source : model.sources) {
    text += (text.empty() ? "" : " + ") + describe(source);
  }
  text += "; " + to_string(model.encoding);
  const Protection& protection = model.protection;
  if (protection.code != CheckCode::kNone) text += "; " + to_string(protection.code);
  if (protection.hardened_bits > 0) {
    text += detail::concat("; top ", protection.hardened_bits, " bits hardened");
  }
  if (protection.clip_to_golden) text += "; clipped to golden range";
  if (protection.clip_share) text += detail::concat("; clipped to ", *protection.clip_share);
  return text;
}

}  // namespace flatenn::fault
