#include <algorithm>
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

constexpr size_t kFewestModels = 3;  ///< That a rank correlation is told of.
/// Measures set against the accuracy lost in a figure, where they were measured.
constexpr const char* kScattered[] = {"one_step", "noise", "eigenvalue", "trace"};

Table measures_table(const std::vector<ModelArtifact>& artifacts) {
  Table table{.id = "sharpness",
              .title = "Sharpness of each minimum",
              .caption =
                  "Rises of the mean loss (nats) over its value at the quantized weights; rho, in "
                  "units of the weights, is the first radius measured.",
              .columns = {{"Model", 0, "model"}, {"rho", 3, "rho"}},
              .rows = {}};
  for (const Measure& measure : sharpness_measures())
    table.columns.push_back({capitalized(measure.column), 4, measure.id});
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

/// Every radius measured, with its errors.
Table radius_table(const std::vector<ModelArtifact>& artifacts) {
  Table table{.id = "sharpness-radii",
              .title = "Rise of the loss at each radius",
              .caption =
                  "Rises of the loss within a radius rho of the quantized weights; ± is a standard "
                  "error over draws.",
              .columns = {{"Model", 0, "model"},
                          {"rho", 3, "rho"},
                          {"rho / ‖Q(w)‖", 5, "rho_relative"},
                          {"One step", 4, "one_step"},
                          {"Worst", 4, "worst"},
                          {"Average", 4, "average"},
                          {"±", 4, "average_se"},
                          {"m-sharpness", 4, "m_sharpness"},
                          {"Adaptive", 4, "adaptive"}},
              .rows = {}};
  for (const ModelArtifact& artifact : artifacts) {
    for (const nlohmann::json& radius : artifact.result->at("radii")) {
      std::vector<Field> row{artifact.model};
      for (const char* key : {"rho", "rho_relative", "one_step", "worst"})
        row.emplace_back(radius.at(key).get<double>());
      row.emplace_back(radius.at("average").at("mean").get<double>());
      row.emplace_back(radius.at("average").at("standard_error").get<double>());
      for (const char* key : {"m_sharpness", "adaptive"})
        row.emplace_back(radius.at(key).get<double>());
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

Table hessian_table(const std::vector<ModelArtifact>& artifacts) {
  Table table{.id = "hessian",
              .title = "Hessian of the loss",
              .caption = "Eigenvalues by falling magnitude; ± is the trace's standard error.",
              .columns = {{"Model", 0, "model"}},
              .rows = {}};
  size_t most = 0;
  for (const ModelArtifact& artifact : artifacts) {
    if (artifact.result->contains("hessian"))
      most = std::max(most, artifact.result->at("hessian").at("eigenvalues").size());
  }
  for (size_t i = 1; i <= most; ++i)
    table.columns.push_back({"λ" + std::to_string(i), 3, "eigenvalue_" + std::to_string(i)});
  table.columns.push_back({"Trace", 2, "trace"});
  table.columns.push_back({"±", 2, "trace_se"});
  table.columns.push_back({"Converged", 0, "converged"});
  for (const ModelArtifact& artifact : artifacts) {
    if (!artifact.result->contains("hessian")) continue;
    const nlohmann::json& hessian = artifact.result->at("hessian");
    std::vector<Field> row{artifact.model};
    const auto values = hessian.at("eigenvalues").get<std::vector<double>>();
    for (size_t i = 0; i < most; ++i)
      row.emplace_back(i < values.size() ? values[i] : std::nan(""));
    row.emplace_back(hessian.at("trace").get<double>());
    row.emplace_back(hessian.at("trace_standard_error").get<double>());
    row.emplace_back(hessian.at("converged").get<bool>() ? "yes" : "no");
    table.rows.push_back(std::move(row));
  }
  return table;
}

Figure density_figure(const std::vector<ModelArtifact>& artifacts) {
  Figure figure{.id = "hessian-density",
                .title = "Spectral density of the Hessian",
                .caption =
                    "By stochastic Lanczos quadrature (arXiv:1901.10159), smoothed; what is under "
                    "a millionth of the highest density is left out.",
                .x = {.title = "Eigenvalue"},
                .y = {.title = "Density (share per unit of eigenvalue)", .log = true}};
  constexpr double kLeastShare = 1e-6;
  for (const ModelArtifact& artifact : artifacts) {
    if (!artifact.result->contains("density")) continue;
    const nlohmann::json& density = artifact.result->at("density");
    const auto x = density.at("eigenvalue").get<std::vector<double>>();
    const auto y = density.at("density").get<std::vector<double>>();
    const double highest = *std::max_element(y.begin(), y.end());
    Series series{.name = artifact.arm, .style = artifact.style};
    series.style.marker = Marker::kNone;
    for (size_t i = 0; i < x.size(); ++i) {
      if (y[i] < kLeastShare * highest) continue;
      series.x.push_back(x[i]);
      series.y.push_back(y[i]);
    }
    figure.series.push_back(std::move(series));
  }
  return figure;
}

/// A measure against the accuracy that bit flips cost, over models with both.
struct Pairing {
  double rate = 0;  ///< Of the flips.
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
    pairing.rate = point->rate;
    pairing.sharpness.push_back(value);
    pairing.loss.push_back(kPoints * point->accuracy_loss);
    pairing.models.push_back(&artifact);
  }
  return pairing;
}

Figure scatter(const Pairing& pairing, const Measure& measure) {
  const analysis::RankCorrelation r = analysis::spearman(pairing.sharpness, pairing.loss);
  Figure figure{
      .id = "flatness-" + slug(measure.id),
      .title = std::string("Accuracy lost to bit flips against: ") + measure.title,
      .caption = "One point a model. Spearman's rank correlation " + fixed(r.rho, 2) +
                 ", 95 % interval [" + fixed(r.low, 2) + ", " + fixed(r.high, 2) +
                 "], n = " + std::to_string(r.n) + ".",
      .x = {.title = measure.title},
      .y = {.title = "Accuracy lost at " + rate_percent(pairing.rate) + " bit flips (points)"}};
  const std::string id = measure.id;
  if (id != "eigenvalue" && id != "trace") figure.x.title += " (nats)";
  for (size_t i = 0; i < pairing.models.size(); ++i) {
    figure.series.push_back({.name = pairing.models[i]->arm,
                             .style = pairing.models[i]->style,
                             .x = {pairing.sharpness[i]},
                             .y = {pairing.loss[i]},
                             .labels = {pairing.models[i]->model},
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
                          {"Rank correlation", 3, "rank_correlation"},
                          {"95 % low", 3, "low"},
                          {"95 % high", 3, "high"}},
              .rows = {}};
  for (const Measure& measure : sharpness_measures()) {
    const Pairing pairing = pair_up(findings, artifacts, measure);
    if (pairing.models.size() < kFewestModels) continue;
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
  section.blocks.emplace_back(radius_table(artifacts));
  Table hessian = hessian_table(artifacts);
  if (!hessian.rows.empty()) section.blocks.emplace_back(std::move(hessian));
  Table correlations = correlation_table(findings, artifacts);
  if (!correlations.rows.empty()) section.blocks.emplace_back(std::move(correlations));
  for (const char* id : kScattered) {
    const Measure& measure = analysis::sharpness_measure(id);
    const Pairing pairing = pair_up(findings, artifacts, measure);
    if (pairing.models.size() >= kFewestModels)
      section.blocks.emplace_back(scatter(pairing, measure));
  }
  Figure density = density_figure(artifacts);
  if (!density.series.empty()) section.blocks.emplace_back(std::move(density));
  return section;
}

}  // namespace flatenn::report
