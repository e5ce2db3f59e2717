#include <algorithm>
#include <nlohmann/json.hpp>

#include "flatenn/base/shell.h"
#include "flatenn/campaign/results.h"

/// The commands that run parts of a stored plan again.
namespace flatenn::campaign {
namespace {

using nlohmann::json;

std::string joined(const json& list) {
  std::string text;
  for (const json& item : list) {
    if (!text.empty()) text += ',';
    text += item.is_string() ? item.get<std::string>() : item.dump();
  }
  return text;
}

/// Single bits at the plan's rate, as a plan without [[faults]] has them; `source` is canonical
/// JSON (fault::to_json).
bool is_plain(const json& source, const char* target) {
  return source.at("target") == target && source.at("unit") == "bit" &&
         source.value("rate_factor", 0.0) == 1 && !source.contains("bit_factors");
}

/// Whether flags can say it all: no [[faults]] but the plan's own choice of bits.
bool is_plain(const json& sources) {
  if (sources.empty() || !is_plain(sources[0], "weights")) return false;
  return sources.size() == 1 || (sources.size() == 2 && is_plain(sources[1], "biases") &&
                                 !sources[1].contains("layers") && !sources[1].contains("bits"));
}

bool follows_rate(const json& sources) {
  return std::any_of(sources.begin(), sources.end(),
                     [](const json& source) { return source.contains("rate_factor"); });
}

/// Words of a command, quoted where a shell needs it.
class Command {
 public:
  Command& add(const std::string& word) {
    if (!text_.empty()) text_ += ' ';
    text_ += shell_word(word);
    return *this;
  }
  Command& add(const std::string& flag, const std::string& value) { return add(flag).add(value); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// What a part of the plan has in common with the others of its model and kind.
class PartOfPlan {
 public:
  PartOfPlan(const PlanResult& plan, int64_t model, int64_t kind)
      : plan_(plan),
        model_(plan.models.at(static_cast<size_t>(model))),
        kind_(plan.kinds.at(static_cast<size_t>(kind))),
        faults_(json::parse(plan.settings_json)
                    .at("kinds")
                    .at(static_cast<size_t>(kind))
                    .at("faults")) {}

  const json& sources() const { return faults_.at("sources"); }
  bool plain() const { return is_plain(sources()); }

  /// `place` tells the part from the others of the plan.
  Command command(const std::string& place) const {
    Command command;
    command.add("flatenn").add("campaign");
    if (!plain() && !plan_.plan_file.empty()) command.add(plan_.plan_file);
    command.add("--db", "repro.db");
    command.add("--name", plan_.name + ": " + model_.name + " " + kind_ + " " + place);
    command.add("--model", model_.path).add("--data", plan_.data);
    if (plan_.split != "test") command.add("--split", plan_.split);
    command.add("--first-images", std::to_string(plan_.dataset_images));
    if (kind_ != "faults") command.add("--kinds", kind_);
    return command.add("--encoding", faults_.at("encoding").get<std::string>());
  }

  /// The bits and the protection that a plan without [[faults]] chose.
  void add_selection(Command& command) const {
    if (!plain()) return;
    for (const char* const key : {"layers", "spare", "bits"}) {
      if (sources()[0].contains(key))
        command.add(std::string("--") + key, joined(sources()[0][key]));
    }
    if (sources().size() > 1) command.add("--biases");
    add_protection(command);
  }
  void add_protection(Command& command) const {
    if (!plain() || !faults_.contains("protection")) return;
    for (const auto& [key, value] : faults_["protection"].items()) {
      command.add("--set", "protection." + key + "=" + value.dump());
    }
  }

 private:
  const PlanResult& plan_;
  const ModelResult& model_;
  const std::string& kind_;
  json faults_;
};

}  // namespace

std::string PlanResult::reproduce_command(const CellResult& cell) const {
  const Level& level = levels.at(static_cast<size_t>(cell.level));
  const PartOfPlan part(*this, cell.model, cell.kind);
  Command command = part.command(level.label);
  part.add_selection(command);
  if (level.count) {
    command.add("--counts", std::to_string(*level.count));
  } else if (follows_rate(part.sources())) {
    command.add("--rates", json(level.rate).dump());
  }
  command.add("--seed", std::to_string(seed));
  // How a stratified cell divides its trials depends on their number in all.
  command.add("--trials", cell.stop == StopReason::kRunning || cell.stratified()
                              ? json::parse(settings_json).at("trials").dump()
                              : std::to_string(cell.accuracy.count));
  if (cell.stratified()) command.add("--estimator", "stratified");
  if (cell.images > 0 && cell.images < dataset_images) {
    command.add("--images", std::to_string(cell.images));
  }
  if (wanted_accuracy) command.add("--wanted-accuracy", json(*wanted_accuracy).dump());
  if (tolerated_drop != PlanResult().tolerated_drop) {
    command.add("--tolerated-drop", json(tolerated_drop).dump());
  }
  return command.text();
}

std::string PlanResult::reproduce_command(const StratumResult& stratum) const {
  const PartOfPlan part(*this, stratum.model, stratum.kind);
  const bool all = stratum.bit < 0;
  Command command =
      part.command(stratum.layer_name + (all ? "" : " bit " + std::to_string(stratum.bit)));
  if (all) {
    part.add_selection(command);
  } else {
    command.add("--layers", stratum.layer_name).add("--bits", std::to_string(stratum.bit));
    part.add_protection(command);
  }
  const json settings = json::parse(settings_json);
  const json& mode = settings.at("single_fault");
  command.add("--single-fault", mode.is_string() ? mode.get<std::string>() : "sampled");
  if (mode.is_object()) {
    command.add("--set", "single_fault_error=" + mode.at("error").dump());
    command.add("--set", "single_fault_confidence=" + mode.at("confidence").dump());
  }
  return command.add("--seed", std::to_string(seed)).text();
}

}  // namespace flatenn::campaign
