#include <nlohmann/json.hpp>

#include "fault/fault_list_file.h"
#include "fault/source_checks.h"
#include "fault/unit_names.h"
#include "flatenn/base/error.h"
#include "flatenn/fault/fault_model.h"

namespace flatenn::fault {
namespace {

using nlohmann::json;

void refuse(const std::string& place, const std::string& key) {
  throw Error(place + "." + key + ": this flatenn does not know it, so the map cannot be honoured");
}

Protection read_protection(const json& entry, const std::string& place) {
  FLATENN_CHECK(entry.is_object(), place, ": expected an object");
  Protection protection;
  for (const auto& [key, value] : entry.items()) {
    if (key == "code") {
      protection.code = parse_check_code(value.get<std::string>());
    } else if (key == "zero_detected") {
      protection.zero_detected = value.get<bool>();
    } else if (key == "hardened_bits") {
      protection.hardened_bits = value.get<int>();
    } else if (key == "clip" && value == "golden") {
      protection.clip_to_golden = true;
    } else if (key == "clip_share") {
      protection.clip_share = value.get<double>();
    } else {
      refuse(place, key);
    }
  }
  check_protection(protection);
  return protection;
}

ArrayGeometry read_array(const json& entry, const std::string& place) {
  FLATENN_CHECK(entry.is_object(), place, ": expected an object");
  ArrayGeometry array;
  for (const auto& [key, value] : entry.items()) {
    if (key == "rows") {
      array.rows = value.get<int64_t>();
    } else if (key == "columns") {
      array.columns = value.get<int64_t>();
    } else if (key == "bits_per_cell") {
      array.bits_per_cell = value.get<int>();
    } else if (key == "mapping") {
      array.mapping = parse_array_mapping(value.get<std::string>());
    } else {
      refuse(place, key);
    }
  }
  return array;
}

}  // namespace

void read_list_model(const json& model, const std::string& place, FaultList& list) {
  try {
    FLATENN_CHECK(model.is_object(), place, ": expected an object");
    list.protection = Protection{};
    for (const auto& [key, value] : model.items()) {
      if (key == "protection") {
        list.protection = read_protection(value, place + ".protection");
      } else if (key == "array") {
        list.array = read_array(value, place + ".array");
      } else if (key == "sources") {
        for (const json& source : value) {
          if (source.value("target", "") == to_string(FaultTarget::kActivations)) {
            list.activations = true;
          }
        }
      } else if (key != "encoding") {  // stands in the file's head as well
        refuse(place, key);
      }
    }
  } catch (const json::exception&) {
    throw Error(place + ": is not what faults draw writes");
  }
}

}  // namespace flatenn::fault
