#include "study/tuning_csv.h"

#include <nlohmann/json.hpp>

#include "base/csv_field.h"
#include "study/plan_arms.h"

namespace flatenn::study {
namespace {

using nlohmann::json;

/// "twos_complement bit_flip 0.01"
std::string name_of(const json& cell) {
  return cell.at("encoding").get<std::string>() + " " + cell.at("kind").get<std::string>() + " " +
         cell.at("rate").dump();
}

bool is_chosen(const json& record, const json& candidate) {
  const auto chosen = record.at("chosen").find(candidate.at("arm").get<std::string>());
  return chosen != record.at("chosen").end() &&
         chosen->get<std::vector<std::string>>() ==
             settings_of(candidate.at("setting").get<std::string>());
}

}  // namespace

std::string tuning_csv(const json& record) {
  std::string text = "arm,setting,epochs,faulty_accuracy,accuracy,sparsity,diverged,chosen";
  for (const json& cell : record.at("cells")) text += "," + csv_field(name_of(cell));
  text += "\n";
  for (const json& candidate : record.at("candidates")) {
    text += csv_field(candidate.at("arm").get<std::string>()) + "," +
            csv_field(candidate.at("setting").get<std::string>());
    for (const char* key : {"epochs", "faulty_accuracy", "accuracy", "sparsity"}) {
      text += ",";
      if (candidate.contains(key)) text += candidate.at(key).dump();
    }
    text += candidate.value("diverged", false) ? ",yes" : ",";
    text += is_chosen(record, candidate) ? ",yes" : ",";
    for (const json& cell : candidate.value("cells", json::array())) {
      text += ",";
      text += cell.at("accuracy").dump();
    }
    text += "\n";
  }
  return text;
}

}  // namespace flatenn::study
