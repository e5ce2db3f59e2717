#include <cmath>

#include "flatenn/analysis/rank_correlation.h"
#include "flatenn/analysis/sharpness_measures.h"
#include "report/artifacts.h"
#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

using analysis::sharpness_measures;
using Measure = analysis::SharpnessMeasure;

constexpr double kPoints = 100;

Table measures_table(const std::vector<ModelArtifact>& artifacts) {
  Table table{.id = "sharpness",
              .title = "Sharpness of each minimum",
              .caption =
                  "Rises of the mean loss over its value at the quantized weights; rho is the "
                  "first radius measured.",
              .columns = {{"Model", 0, "model"}, {"rho", 3, "rho"}},
              .rows = {}};
  for (const Measure& measure : sharpness_measures())
    table.columns.push_back({measure.title, 4, measure.id});
  for (const ModelArtifact& artifact : artifacts) {
    std::vector<Field> row{artifact.model,
                           artifact.result->at("radii").empty()
                               ? std::nan("")
                               : artifact.result->at("radii").at(0).at("rho").get<double>()};
    for (const Measure& measure : sharpness_measures())
      row.emplace_back(measure.read(*artifact.result));
    table.rows.push_back(std::move(row));
  }
  return table;
}

/// A measure against the accuracy that bit flips cost, over models with both.
struct Pairing {
  std::vector<double> sharpness, loss;
  std::vector<const ModelArtifact*> models;
};

Pairing pair_up(const Findings& findings, const std::vector<ModelArtifact>& artifacts,
                const Measure& measure) {
  Pairing pairing;
  for (const ModelArtifact& artifact : artifacts) {
    const double value = measure.read(*artifact.result);
    const auto point = near_one_percent(findings, artifact.hash);
    if (!point || !std::isfinite(value)) continue;
    pairing.sharpness.push_back(value);
    pairing.loss.push_back(kPoints * point->accuracy_loss);
    pairing.models.push_back(&artifact);
  }
  return pairing;
}

Figure scatter(const Pairing& pairing, const Measure& measure) {
  const analysis::RankCorrelation r = analysis::spearman(pairing.sharpness, pairing.loss);
  Figure figure{.id = "flatness-" + slug(measure.id),
                .title = std::string("Accuracy lost to bit flips against: ") + measure.title,
                .caption =
                    "One point a model, at the rate nearest to 1 %. Spearman's rank "
                    "correlation " +
                    fixed(r.rho, 2) + ", 95 % interval [" + fixed(r.low, 2) + ", " +
                    fixed(r.high, 2) + "], n = " + std::to_string(r.n) + ".",
                .x = {.title = measure.title},
                .y = {.title = "Points of accuracy lost"}};
  for (size_t i = 0; i < pairing.models.size(); ++i) {
    figure.series.push_back({.name = pairing.models[i]->model,
                             .style = pairing.models[i]->style,
                             .x = {pairing.sharpness[i]},
                             .y = {pairing.loss[i]},
                             .line = false});
  }
  return figure;
}

Table correlation_table(const Findings& findings, const std::vector<ModelArtifact>& artifacts) {
  Table table{.id = "flatness-correlation",
              .title = "Does flatness tell fault tolerance?",
              .caption =
                  "Spearman's rank correlation, over models, of each sharpness number with the "
                  "accuracy that bit flips cost at the rate nearest to 1 %. The paper's "
                  "explanation expects it to be positive.",
              .columns = {{"Measure", 0, "measure"},
                          {"Models", 0, "models"},
                          {"rho", 3, "rho"},
                          {"95 % low", 3, "low"},
                          {"95 % high", 3, "high"}},
              .rows = {}};
  for (const Measure& measure : sharpness_measures()) {
    const Pairing pairing = pair_up(findings, artifacts, measure);
    if (pairing.models.size() < 3) continue;
    const analysis::RankCorrelation r = analysis::spearman(pairing.sharpness, pairing.loss);
    table.rows.push_back({measure.title, static_cast<double>(r.n), r.rho, r.low, r.high});
  }
  return table;
}

}  // namespace

Section sharpness_section(const Findings& findings) {
  Section section{.id = "sharpness", .title = "Flatness of the minimum"};
  const std::vector<ModelArtifact> artifacts = model_artifacts(findings, "sharpness");
  if (artifacts.empty()) return section;
  section.blocks.emplace_back(measures_table(artifacts));
  const Table correlations = correlation_table(findings, artifacts);
  if (correlations.rows.empty()) return section;
  section.blocks.emplace_back(correlations);
  for (const Measure& measure :
       {analysis::sharpness_measure("one_step"), analysis::sharpness_measure("noise")}) {
    const Pairing pairing = pair_up(findings, artifacts, measure);
    if (pairing.models.size() >= 3) section.blocks.emplace_back(scatter(pairing, measure));
  }
  return section;
}

}  // namespace flatenn::report
