#include <algorithm>

#include "report/format.h"
#include "report/run_result.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

/// Layers named by any run, in the order of the first run that has them.
std::vector<std::string> layers_of(const Findings& findings, const char* key) {
  std::vector<std::string> layers;
  for (const Run& run : findings.runs) {
    const nlohmann::ordered_json result = result_of(run, key);
    if (!result.is_object()) continue;
    for (const auto& [layer, value] : result.items()) {
      if (std::find(layers.begin(), layers.end(), layer) == layers.end()) layers.push_back(layer);
    }
  }
  return layers;
}

Figure layer_figure(const Findings& findings, const char* key, double factor) {
  Figure figure{.x = {.title = "Layer", .categories = layers_of(findings, key)}};
  for (size_t i = 0; i < findings.runs.size(); ++i) {
    const Run& run = findings.runs[i];
    const nlohmann::ordered_json result = result_of(run, key);
    if (!result.is_object()) continue;
    const auto [recipe, activation] = split_arm(run.arm());
    Series series{.name = recipe.empty() ? run.name : arm_title(run.arm()),
                  .style = arm_style(recipe, activation, static_cast<int64_t>(i))};
    for (size_t layer = 0; layer < figure.x.categories.size(); ++layer) {
      const auto value = result.find(figure.x.categories[layer]);
      if (value == result.end() || !value->is_number()) continue;
      series.x.push_back(static_cast<double>(layer));
      series.y.push_back(factor * value->get<double>());
      series.labels.push_back(run.name);
    }
    if (!series.x.empty()) figure.series.push_back(std::move(series));
  }
  return figure;
}

void add_sparsity(const Findings& findings, Section& section) {
  Figure figure = layer_figure(findings, "layer_sparsity", kPercent);
  if (figure.series.empty()) return;
  figure.id = "layer-sparsity";
  figure.title = "Activation sparsity by layer";
  figure.caption = "Share of zeros among the codes that a layer reads, on the frozen network.";
  figure.y = {.title = "Zeros (%)"};
  section.blocks.emplace_back(std::move(figure));
}

void add_code_rms(const Findings& findings, Section& section) {
  Figure figure = layer_figure(findings, "code_rms", 1);
  if (figure.series.empty()) return;
  figure.id = "code-rms";
  figure.title = "Size of the weight codes by layer";
  figure.caption =
      "Root mean square of a layer's weight codes. Where it is small against the code range (under "
      "the dotted line, say), one flip of a high bit outweighs the trained weights, whatever the "
      "training method: a confound to look at before comparing curves.";
  figure.y = {.title = "Code rms (levels)", .log = true};
  figure.references.push_back({"1 level", 1, {.colour = 4}});
  section.blocks.emplace_back(std::move(figure));
}

Table run_table(const Findings& findings) {
  Table table{.id = "runs",
              .title = "What each training came to",
              .caption =
                  "Confounds to keep in view beside every curve: sparsity reached, rho in "
                  "proportion to the weights' norm, the size of the last layer's codes.",
              .columns = {{"Run", 0, "run"},
                          {"Status", 0, "status"},
                          {"Accuracy (%)", 2, "accuracy_percent"},
                          {"Sparsity (%)", 2, "sparsity_percent"},
                          {"rho / ‖Q(w)‖", 5, "rho_relative"},
                          {"Last layer's code rms", 2, "last_layer_code_rms"},
                          {"Time (s)", 1, "seconds"},
                          {"Images/s", 0, "images_per_second"}}};
  const std::vector<std::string> layers = layers_of(findings, "code_rms");
  for (const Run& run : findings.runs) {
    const nlohmann::ordered_json rms = result_of(run, "code_rms");
    const double last =
        rms.is_object() && !layers.empty() ? rms.value(layers.back(), kNoNumber) : kNoNumber;
    table.rows.push_back({run.name, run.record.value("status", std::string()),
                          kPercent * number_of(run, "accuracy"),
                          kPercent * number_of(run, "sparsity"), number_of(run, "rho_relative"),
                          last, number_of(run, "seconds"), number_of(run, "images_per_second")});
  }
  return table;
}

void add_warnings(const Findings& findings, Section& section) {
  for (const Run& run : findings.runs) {
    const nlohmann::ordered_json warnings = result_of(run, "warnings");
    if (!warnings.is_array()) continue;
    for (const auto& warning : warnings) {
      if (warning.is_string())
        section.blocks.emplace_back(
            Paragraph{.text = run.name + ": " + warning.get<std::string>(), .warning = true});
    }
  }
}

}  // namespace

Section layers_section(const Findings& findings) {
  Section section{.id = "layers", .title = "Layers and confounds"};
  if (findings.runs.empty()) return section;
  add_warnings(findings, section);
  section.blocks.emplace_back(run_table(findings));
  add_sparsity(findings, section);
  add_code_rms(findings, section);
  return section;
}

}  // namespace flatenn::report
