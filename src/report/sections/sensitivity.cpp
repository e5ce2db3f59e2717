#include <algorithm>

#include "report/artifacts.h"
#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

HeatMap layer_bit_map(const ModelArtifact& artifact, size_t index) {
  const nlohmann::json& result = *artifact.result;
  HeatMap map{.id = "sensitivity-" + std::to_string(index),
              .title = "Points lost by layer and bit: " + artifact.model,
              .caption = capitalized(kind_title(result.at("fault_kind"))) + " in " +
                         rate_percent(result.at("rate")) +
                         " of the bits of one layer at one position, mean over " +
                         std::to_string(result.at("trials").get<int64_t>()) + " maps.",
              .x_title = "Bit position (0: least significant)",
              .y_title = "Layer",
              .value_title = "Accuracy lost (points)"};
  int64_t widest = 0;
  for (const nlohmann::json& cell : result.at("cells")) {
    widest = std::max(widest, cell.at("bit").get<int64_t>() + 1);
  }
  for (int64_t bit = 0; bit < widest; ++bit) map.columns.push_back(std::to_string(bit));
  for (const nlohmann::json& cell : result.at("cells")) {
    const std::string layer = cell.at("layer");
    if (map.rows.empty() || map.rows.back() != layer) {
      map.rows.push_back(layer);
      map.values.emplace_back(static_cast<size_t>(widest), kNoNumber);
    }
    map.values.back()[cell.at("bit").get<size_t>()] =
        kPercent * cell.at("accuracy_loss").get<double>();
  }
  return map;
}

/// A curve of percentages over the steps of an attack or of hardening.
Series curve(const ModelArtifact& artifact, const nlohmann::json& steps, const char* x,
             const char* y, double x_factor, const std::string& name) {
  Series series{.name = name, .style = artifact.style};
  for (size_t i = 0; i < steps.size(); ++i) {
    series.x.push_back(x == nullptr ? static_cast<double>(i + 1)
                                    : x_factor * steps[i].at(x).get<double>());
    series.y.push_back(kPercent * steps[i].at(y).get<double>());
    series.labels.push_back(artifact.model);
  }
  return series;
}

Figure attack_figure(const std::vector<ModelArtifact>& artifacts) {
  Figure figure{.id = "bit-search",
                .title = "Worst-case flips beside random ones",
                .caption =
                    "Progressive bit search (arXiv:1903.12269), searched on other images than "
                    "it is judged on; faint: the mean of as many random flips.",
                .x = {.title = "Flipped bits (count)", .whole = true},
                .y = {.title = "Accuracy (%)"}};
  for (const ModelArtifact& artifact : artifacts) {
    if (!artifact.result->contains("attack")) continue;
    const nlohmann::json& steps = artifact.result->at("attack").at("steps");
    figure.series.push_back(curve(artifact, steps, nullptr, "accuracy", 1, artifact.arm));
    Series random =
        curve(artifact, steps, nullptr, "random_accuracy", 1, artifact.arm + ", random");
    random.faint = true;
    figure.series.push_back(std::move(random));
  }
  return figure;
}

Figure hardening_figure(const std::vector<ModelArtifact>& artifacts) {
  Figure figure{.id = "hardening",
                .title = "What hardened bits bring back",
                .caption =
                    "Cells of layer and bit position made fault-free one after the other, "
                    "greatest measured loss per bit first.",
                .x = {.title = "Hardened share of the weight memory (%)"},
                .y = {.title = "Accuracy (%)"}};
  for (const ModelArtifact& artifact : artifacts) {
    if (!artifact.result->contains("hardening")) continue;
    figure.series.push_back(curve(artifact, artifact.result->at("hardening").at("steps"),
                                  "hardened_share", "accuracy", kPercent, artifact.arm));
  }
  return figure;
}

/// What hardened bits and check codes leave of the accuracy, at what price in memory.
Table protection_table(const std::vector<ModelArtifact>& artifacts) {
  Table table{.id = "protection",
              .title = "What protection brings back",
              .caption =
                  "Mean accuracy over fault maps, with its standard error. Hardened bits "
                  "are those of the last step of the curve; check codes guard the whole memory.",
              .columns = {{"Model", 0, "model"},
                          {"Rate", 0, "bit_error_rate"},
                          {"Protection", 0, "protection"},
                          {"Hardened bits", 0, "hardened_bits"},
                          {"Hardened (%)", 1, "hardened_percent"},
                          {"More memory (%)", 1, "extra_percent"},
                          {"Accuracy (%)", 2, "accuracy_percent"},
                          {"±", 2, "accuracy_se_points"}},
              .rows = {}};
  for (const ModelArtifact& artifact : artifacts) {
    if (!artifact.result->contains("hardening")) continue;
    const nlohmann::json& hardening = artifact.result->at("hardening");
    const std::string rate = rate_percent(hardening.at("rate"));
    const auto add = [&](const std::string& name, double bits, double share, double extra,
                         const nlohmann::json& measured) {
      table.rows.push_back({artifact.model, rate, name, bits, kPercent * share, kPercent * extra,
                            kPercent * measured.at("accuracy").get<double>(),
                            kPercent * measured.at("accuracy_se").get<double>()});
    };
    const nlohmann::json& last = hardening.at("steps").back();
    add("hardened bits", last.at("hardened_bits"), last.at("hardened_share"), 0, last);
    if (!artifact.result->contains("check_codes")) continue;
    for (const nlohmann::json& code : artifact.result->at("check_codes").at("codes"))
      add(code.at("name"), kNoNumber, kNoNumber, code.at("extra_share"), code);
  }
  return table;
}

Table estimate_table(const std::vector<ModelArtifact>& artifacts) {
  Table table{.id = "sensitivity-estimates",
              .title = "Can gradients tell which bits matter?",
              .caption =
                  "Spearman's rank correlation of estimated and measured loss rise over cells "
                  "of layer and bit, with 95 % intervals.",
              .columns = {{"Model", 0, "model"},
                          {"Estimate", 0, "estimate"},
                          {"Rank correlation", 3, "rank_correlation"},
                          {"95 % low", 3, "low"},
                          {"95 % high", 3, "high"},
                          {"Cells", 0, "cells"}},
              .rows = {}};
  for (const ModelArtifact& artifact : artifacts) {
    if (!artifact.result->contains("estimates")) continue;
    const nlohmann::json& estimates = artifact.result->at("estimates");
    const auto add = [&](const char* name, const char* key) {
      const nlohmann::json& r = estimates.at(key);
      table.rows.push_back({artifact.model, name, r.at("rho").get<double>(),
                            r.at("low").get<double>(), r.at("high").get<double>(),
                            r.at("n").get<double>()});
    };
    add("gradient", "first_order_with_loss_rise");
    add("gradient and Fisher", "second_order_with_loss_rise");
  }
  return table;
}

}  // namespace

Section sensitivity_section(const Findings& findings) {
  Section section{.id = "sensitivity", .title = "Which bits matter"};
  const std::vector<ModelArtifact> artifacts = model_artifacts(findings, "sensitivity");
  for (size_t i = 0; i < artifacts.size(); ++i) {
    section.blocks.emplace_back(layer_bit_map(artifacts[i], i));
  }
  for (Figure figure : {attack_figure(artifacts), hardening_figure(artifacts)}) {
    if (!figure.series.empty()) section.blocks.emplace_back(std::move(figure));
  }
  Table protection = protection_table(artifacts);
  if (!protection.rows.empty()) section.blocks.emplace_back(std::move(protection));
  Table estimates = estimate_table(artifacts);
  if (!estimates.rows.empty()) section.blocks.emplace_back(std::move(estimates));
  return section;
}

}  // namespace flatenn::report
