#include <nlohmann/json.hpp>

#include "flatenn/report/paper.h"
#include "report/format.h"

namespace flatenn::report {
namespace {

using nlohmann::json;

std::string listed(const std::string& noun, const json& items) {
  std::string text = noun + (items.size() == 1 ? " " : "s ");
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) text += i + 1 == items.size() ? " and " : ", ";
    text += items[i].is_string() ? items[i].get<std::string>() : items[i].dump();
  }
  return text;
}

std::string encoding_words(const std::string& encoding) {
  if (encoding == "twos_complement") return "two's complement";
  if (encoding == "offset_binary") return "offset binary";
  if (encoding == "gray") return "Gray code";
  if (encoding == "sign_magnitude") return "sign-magnitude";
  return encoding;
}

std::string source_words(const json& source) {
  const std::string target = source.value("target", "weights");
  if (source.value("unit", "") == "list") return "a list of faults in " + target;
  std::string text = source.contains("layers") ? target + " of " + listed("layer", source["layers"])
                                               : "all " + target;
  if (source.contains("spare")) text += " but " + listed("layer", source["spare"]);
  if (source.contains("bits")) text += ", " + listed("bit", source["bits"]);
  const std::string unit = source.value("unit", "bit");
  if (unit != "bit") text += ", by " + unit;
  if (source.contains("rate")) text += " at " + rate_percent(source["rate"].get<double>());
  return text;
}

std::string protection_words(const json& protection) {
  std::string text;
  const auto add = [&](const std::string& part) { text += ", " + part; };
  const std::string code = protection.value("code", "none");
  if (code != "none") add(code + (protection.contains("zero_detected") ? " zeroing" : ""));
  if (protection.contains("hardened_bits"))
    add("top " + counted(protection["hardened_bits"].get<double>(), "bit") + " hardened");
  if (protection.contains("clip")) add("clipped to the golden range");
  if (protection.contains("clip_share"))
    add("clipped to " + rate_percent(protection["clip_share"].get<double>()));
  return text.empty() ? ", no protection" : text;
}

std::string model_words(const json& faults) {
  std::string text;
  for (const json& source : faults.value("sources", json::array()))
    text += (text.empty() ? "" : " and ") + source_words(source);
  text += ", " + encoding_words(faults.value("encoding", "twos_complement"));
  return text + protection_words(faults.value("protection", json::object()));
}

}  // namespace

std::string fault_words(const campaign::PlanResult& plan) {
  const json settings = json::parse(plan.settings_json, nullptr, /*allow_exceptions=*/false);
  if (!settings.is_object() || !settings.contains("kinds")) return "";
  std::string all;
  std::string first;
  bool same = true;
  for (const json& kind : settings.at("kinds")) {
    if (!kind.is_object() || !kind.contains("faults")) return "";
    const std::string words = model_words(kind.at("faults"));
    if (first.empty()) first = words;
    same = same && words == first;
    all += (all.empty() ? "" : "; ") + kind_title(kind.value("name", "")) + ": " + words;
  }
  return same ? first : all;
}

}  // namespace flatenn::report
