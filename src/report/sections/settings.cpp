#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

/// JSON indented for reading; the text itself where it is not JSON.
std::string pretty(const std::string& text) {
  const auto parsed = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  return parsed.is_discarded() ? text : parsed.dump(2);
}

Table network_table(const Findings& findings, const campaign::PlanResult& plan) {
  Table table{.id = plan_id(findings, plan, "networks"),
              .title = plan_prefix(findings, plan) + "Networks by content",
              .columns = {{"Network", 0, "model"},
                          {"SHA-256 of its content", 0, "hash"},
                          {"Stored weight bits", 0, "weight_bits"},
                          {"No faults (%)", 4, "golden_percent"},
                          {"Loss", 5, "golden_loss"},
                          {"Metadata", 0, "metadata"}}};
  for (const campaign::ModelResult& model : plan.models) {
    std::string metadata;
    for (const auto& [key, value] : model.metadata)
      metadata += (metadata.empty() ? "" : ", ") + key + " = " + value;
    table.rows.push_back({model.name, model.hash, static_cast<double>(model.weight_bits),
                          100 * model.golden_accuracy, model.golden_loss, metadata});
  }
  return table;
}

}  // namespace

Section settings_section(const Findings& findings) {
  Section section{.id = "settings", .title = "Settings, to do it again"};
  if (!findings.commands.empty())
    section.blocks.emplace_back(Listing{"Commands", joined(findings.commands)});
  for (const campaign::PlanResult& plan : findings.plans) {
    section.blocks.emplace_back(network_table(findings, plan));
    section.blocks.emplace_back(Listing{"Campaign \"" + plan.name + "\", flatenn " + plan.version +
                                            ", fingerprint " + plan.fingerprint,
                                        pretty(plan.settings_json)});
  }
  for (const Run& run : findings.runs) {
    nlohmann::ordered_json settings = run.record;
    settings.erase("result");
    section.blocks.emplace_back(Listing{"Run \"" + run.name + "\"", settings.dump(2)});
  }
  return section;
}

}  // namespace flatenn::report
