#include <nlohmann/json.hpp>

#include "fault/fault_list_file.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"

namespace flatenn::fault {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "flatenn-fault-map";

int64_t number(const json& entry, const char* key, const std::string& place) {
  FLATENN_CHECK(entry.contains(key) && entry[key].is_number_integer(), place, ": '", key,
                "' must be an integer");
  return entry[key].get<int64_t>();
}

std::string word(const json& entry, const char* key, const std::string& place) {
  FLATENN_CHECK(entry.contains(key) && entry[key].is_string(), place, ": '", key,
                "' must be a string");
  return entry[key].get<std::string>();
}

FaultKind read_kind(const json& entry, const std::string& place) {
  try {
    return parse_fault_kind(word(entry, "kind", place));
  } catch (const Error& error) {
    const std::string message = error.what();
    throw Error(message.starts_with(place) ? message : place + ": " + message);
  }
}

void read_entry(const json& entry, const std::string& place, FaultList& list) {
  FLATENN_CHECK(entry.is_object(), place, ": expected an object");
  const FaultKind kind = read_kind(entry, place);
  if (entry.contains("array")) {
    const Cell cell{number(entry, "array", place), number(entry, "row", place),
                    number(entry, "column", place)};
    list.cells.push_back({cell, kind, place});
    return;
  }
  ListedFault fault{.tensor = word(entry, "layer", place), .kind = kind, .place = place};
  if (entry.contains("element")) {
    fault.element = checked_element(number(entry, "element", place), place);
  }
  if (entry.contains("index")) {
    FLATENN_CHECK(entry["index"].is_array() && entry["index"].size() <= 4, place,
                  ": 'index' must be an array of up to 4 integers");
    for (const json& at : entry["index"]) {
      FLATENN_CHECK(at.is_number_integer(), place, ": 'index' must hold integers");
      fault.index.push_back(at.get<int64_t>());
    }
  }
  FLATENN_CHECK(fault.element >= 0 || !fault.index.empty(), place, ": needs 'element' or 'index'");
  fault.bit = checked_bit(number(entry, "bit", place), place);
  list.faults.push_back(std::move(fault));
}

void read_check(const json& entry, const std::string& place, FaultList& list) {
  FLATENN_CHECK(entry.is_object(), place, ": expected an object");
  list.check_faults.push_back({.tensor = word(entry, "layer", place),
                               .element = checked_element(number(entry, "unit", place), place),
                               .bit = checked_bit(number(entry, "bit", place), place),
                               .kind = read_kind(entry, place),
                               .place = place});
}

template <typename Read>
void for_entries(const json& array, const std::string& what, const Read& read) {
  FLATENN_CHECK(array.is_array(), what, " must be an array");
  for (size_t i = 0; i < array.size(); ++i) {
    read(array[i], detail::concat(what, "[", i, "]"));
  }
}

json fault_json(const Fault& fault, const MemoryTensor& tensor) {
  return {{"layer", tensor.name},
          {"element", fault.site.element},
          {"index", tensor.index(fault.site.element)},
          {"bit", fault.site.bit},
          {"kind", to_string(fault.kind)}};
}

json check_json(const Fault& fault, const std::string& tensor) {
  return {{"layer", tensor},
          {"unit", fault.site.element},
          {"bit", fault.site.bit},
          {"kind", to_string(fault.kind)}};
}

/// An array with one entry a line.
std::string lines_of(const std::vector<json>& entries) {
  std::string text = "[";
  for (const json& entry : entries) {
    text += (text.size() > 1 ? ",\n" : "\n") + entry.dump();
  }
  return text + "]";
}

}  // namespace

FaultList parse_fault_json(const std::string& text, const std::string& name) {
  json root;
  try {
    root = json::parse(text);
  } catch (const json::parse_error& error) {
    throw Error(detail::concat(name, ": not JSON (byte ", error.byte, ")"));
  }
  FaultList list;
  FLATENN_CHECK(root.is_array() || root.contains("faults"), name, ": has no 'faults'");
  if (root.contains("encoding")) list.encoding = word(root, "encoding", name);
  if (root.contains("network")) list.network = word(root, "network", name);
  if (root.contains("model")) read_list_model(root["model"], name + ": model", list);
  for_entries(root.is_array() ? root : root["faults"], name + ": faults",
              [&](const json& entry, const std::string& place) { read_entry(entry, place, list); });
  if (root.is_object() && root.contains("check_faults")) {
    for_entries(
        root["check_faults"], name + ": check_faults",
        [&](const json& entry, const std::string& place) { read_check(entry, place, list); });
  }
  return list;
}

FaultList read_fault_list(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  const std::string name = path.filename().string();
  const size_t first = text.find_first_not_of("\xef\xbb\xbf \t\r\n");
  const bool is_json = first != std::string::npos && (text[first] == '{' || text[first] == '[');
  return is_json ? parse_fault_json(text, name) : parse_fault_csv(text, name);
}

std::string fault_map_json(const FaultMap& map, const MemoryLayout& layout,
                           const FaultMapOrigin& origin) {
  const auto tensor_of = [&](const Fault& fault) -> const MemoryTensor& {
    return layout.tensors[static_cast<size_t>(fault.site.tensor)];
  };
  json head = {{"format", kFormat},   {"network", origin.network}, {"encoding", origin.encoding},
               {"rate", origin.rate}, {"seed", origin.seed},       {"trial", origin.trial}};
  if (!origin.model.empty()) head["model"] = json::parse(origin.model);
  std::vector<json> faults;
  for (const Fault& fault : map.faults) faults.push_back(fault_json(fault, tensor_of(fault)));
  std::vector<json> checks;
  for (const Fault& fault : map.check_faults) {
    checks.push_back(check_json(fault, tensor_of(fault).name));
  }
  std::string text = "{\n";
  for (const auto& [key, value] : head.items()) text += '"' + key + "\": " + value.dump() + ",\n";
  text += "\"faults\": " + lines_of(faults);
  if (!checks.empty()) text += ",\n\"check_faults\": " + lines_of(checks);
  return text + "\n}\n";
}

}  // namespace flatenn::fault
