#include <algorithm>
#include <map>

#include "report/artifacts.h"
#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

constexpr double kNanojoule = 1e-3;  // of a picojoule

Table cost_table(const std::vector<ModelArtifact>& artifacts) {
  Table table{.id = "cost",
              .title = "One image on described hardware",
              .caption =
                  "Means over images of what the fault-free network's activation maps cost; "
                  "MACs on zeros are left out where the hardware skips them. Energy off the chip "
                  "is DRAM's. Compare models on "
                  "one machine only.",
              .columns = {{"Model", 0, "model"},
                          {"Hardware", 0, "hardware"},
                          {"Zeros (%)", 1, "sparsity_percent"},
                          {"MACs", 0, "dense_macs"},
                          {"Effective MACs", 0, "effective_macs"},
                          {"Traffic (kbit)", 1, "traffic_kbit"},
                          {"Load imbalance", 2, "load_imbalance"},
                          {"Latency (us)", 2, "latency_us"},
                          {"Energy (nJ)", 1, "energy_nj"},
                          {"On the chip (nJ)", 1, "chip_energy_nj"}},
              .rows = {}};
  for (const ModelArtifact& artifact : artifacts) {
    for (const nlohmann::json& machine : *artifact.result) {
      const nlohmann::json& total = machine.at("total");
      table.rows.push_back(
          {artifact.model, machine.at("hardware").get<std::string>(),
           kPercent * total.at("sparsity").get<double>(), total.at("dense_macs").get<double>(),
           total.at("effective_macs").get<double>(), total.at("traffic_bits").get<double>() / 1e3,
           total.at("load_imbalance").get<double>(), machine.at("latency_us").get<double>(),
           kNanojoule * total.at("energy_pj").get<double>(),
           kNanojoule * (total.at("energy_pj").get<double>() - total.at("dram_pj").get<double>())});
    }
  }
  return table;
}

/// An energy that models are compared by.
struct Price {
  const char* id;
  const char* words;
  double (*read_pj)(const nlohmann::json& total);
};
constexpr Price kPrices[] = {
    {"pareto", "energy", [](const nlohmann::json& t) { return t.at("energy_pj").get<double>(); }},
    {"pareto-chip", "energy on the chip",
     [](const nlohmann::json& t) {
       return t.at("energy_pj").get<double>() - t.at("dram_pj").get<double>();
     }},
};

struct TradeOff {
  const ModelArtifact* artifact;
  double energy_nj;
  CampaignPoint point;
};

/// Models that no other one beats in both energy and accuracy, by rising energy.
Series pareto_front(std::vector<TradeOff> models) {
  std::sort(models.begin(), models.end(), [](const TradeOff& a, const TradeOff& b) {
    if (a.energy_nj != b.energy_nj) return a.energy_nj < b.energy_nj;
    return a.point.accuracy > b.point.accuracy;
  });
  Series front{.name = "Pareto front",
               .style = {.colour = 4, .dash = Dash::kDotted, .marker = Marker::kNone}};
  double best = -1;
  for (const TradeOff& model : models) {
    if (model.point.accuracy <= best) continue;
    best = model.point.accuracy;
    front.x.push_back(model.energy_nj);
    front.y.push_back(kPercent * best);
  }
  return front;
}

Figure pareto_figure(const std::string& hardware, const Price& price,
                     const std::vector<TradeOff>& models) {
  Figure figure{
      .id = std::string(price.id) + "-" + slug(hardware),
      .title = std::string("Accuracy under faults against ") + price.words + ": " + hardware,
      .caption = "One point a model; accuracy is the mean over maps of bit flips at rate " +
                 rate_percent(models.front().point.rate) + ".",
      .x = {.title = capitalized(price.words) + " of one image (nJ)"},
      .y = {.title = "Accuracy under bit flips (%)"}};
  for (const TradeOff& model : models) {
    figure.series.push_back({.name = model.artifact->arm,
                             .style = model.artifact->style,
                             .x = {model.energy_nj},
                             .y = {kPercent * model.point.accuracy},
                             .labels = {model.artifact->model},
                             .line = false});
  }
  figure.series.push_back(pareto_front(models));
  return figure;
}

/// A figure for every machine.
void add_pareto_figures(const Findings& findings, const std::vector<ModelArtifact>& artifacts,
                        const Price& price, Section& section) {
  std::map<std::string, std::vector<TradeOff>> machines;
  for (const ModelArtifact& artifact : artifacts) {
    const auto point = near_one_percent(findings, artifact.hash);
    if (!point) continue;
    for (const nlohmann::json& machine : *artifact.result) {
      machines[machine.at("hardware")].push_back(
          {&artifact, kNanojoule * price.read_pj(machine.at("total")), *point});
    }
  }
  for (const auto& [hardware, models] : machines)
    section.blocks.emplace_back(pareto_figure(hardware, price, models));
}

}  // namespace

Section cost_section(const Findings& findings) {
  Section section{.id = "cost", .title = "What sparsity saves"};
  const std::vector<ModelArtifact> artifacts = model_artifacts(findings, "cost");
  if (artifacts.empty()) return section;
  for (const Price& price : kPrices) add_pareto_figures(findings, artifacts, price, section);
  section.blocks.emplace_back(cost_table(artifacts));
  return section;
}

}  // namespace flatenn::report
