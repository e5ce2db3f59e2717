#include <algorithm>
#include <map>
#include <set>

#include "flatenn/base/error.h"
#include "report/arm_curves.h"
#include "report/format.h"
#include "report/run_result.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

using nlohmann::json;

constexpr size_t kFewestRadii = 3;  ///< That make a curve.

/// A network of a curve; conventional training is the radius 0.
struct Radius {
  double rho = 0;
  const Run* run = nullptr;
};

/// Networks that differ in rho alone, by rising rho.
struct RadiusCurve {
  std::string kind;  ///< Of optimizer: "saq".
  std::string activation;
  int64_t seed = 0;
  std::vector<Radius> radii;

  std::string name() const {
    return detail::concat(kind, activation.empty() ? "" : ", ", activation, ", seed ", seed);
  }
};

/// A run's configuration without what merely names it; null where there is none.
json settings_of(const Run& run) {
  json config = run.record.value("config", json());
  if (!config.is_object() || !config.contains("optimizer")) return nullptr;
  config.erase("name");
  config.erase("recipe");
  return config;
}

/// Equal for networks of one curve.
std::string curve_key(json settings) {
  if (settings.contains("sharpness")) settings["sharpness"].erase("rho");
  return settings.dump();
}

/// Equal for a curve's networks and the conventional one at the same settings.
std::string conventional_key(json settings) {
  settings.erase("sharpness");
  settings["optimizer"].erase("kind");
  return settings.dump();
}

/// Of a training along sharp directions; none of a conventional one.
std::optional<double> rho_of(const json& settings) {
  if (settings.is_null()) return std::nullopt;
  if (settings["optimizer"].value("kind", std::string("sgd")) == "sgd") return std::nullopt;
  const auto sharpness = settings.find("sharpness");
  if (sharpness == settings.end() || !sharpness->contains("rho")) return std::nullopt;
  return sharpness->at("rho").get<double>();
}

bool has_enough_radii(const RadiusCurve& curve) {
  std::set<double> different;
  for (const Radius& radius : curve.radii) different.insert(radius.rho);
  return different.size() >= kFewestRadii;
}

/// Networks trained with a rho, by curve, in the order found.
std::vector<RadiusCurve> sharpness_aware_curves(const Findings& findings) {
  std::vector<RadiusCurve> curves;
  std::map<std::string, size_t> places;
  for (const Run& run : findings.runs) {
    const json settings = settings_of(run);
    const std::optional<double> rho = rho_of(settings);
    if (!rho) continue;
    const auto [place, added] = places.emplace(curve_key(settings), curves.size());
    if (added) {
      curves.push_back({.kind = settings["optimizer"]["kind"].get<std::string>(),
                        .activation = split_arm(run.arm()).second,
                        .seed = settings.value("seed", int64_t{0})});
    }
    curves[place->second].radii.push_back({*rho, &run});
  }
  return curves;
}

/// Conventional networks by conventional_key().
std::map<std::string, const Run*> conventional_runs(const Findings& findings) {
  std::map<std::string, const Run*> runs;
  for (const Run& run : findings.runs) {
    const json settings = settings_of(run);
    if (!settings.is_null() && !rho_of(settings)) runs.emplace(conventional_key(settings), &run);
  }
  return runs;
}

std::vector<RadiusCurve> curves_of(const Findings& findings) {
  std::vector<RadiusCurve> curves = sharpness_aware_curves(findings);
  const std::map<std::string, const Run*> conventional = conventional_runs(findings);
  for (RadiusCurve& curve : curves) {
    const auto run = conventional.find(conventional_key(settings_of(*curve.radii.front().run)));
    if (run != conventional.end()) curve.radii.push_back({0, run->second});
    std::stable_sort(curve.radii.begin(), curve.radii.end(),
                     [](const Radius& a, const Radius& b) { return a.rho < b.rho; });
  }
  std::erase_if(curves, [](const RadiusCurve& curve) { return !has_enough_radii(curve); });
  return curves;
}

std::optional<int64_t> model_of(const campaign::PlanResult& plan, const Run& run) {
  for (size_t model = 0; model < plan.models.size(); ++model) {
    if (plan.models[model].name == run.name) return static_cast<int64_t>(model);
  }
  return std::nullopt;
}

Axis radius_axis(const RadiusCurve& curve) {
  Axis axis{.title = "rho (0: conventional training)"};
  for (const Radius& radius : curve.radii) axis.categories.push_back(short_number(radius.rho));
  return axis;
}

/// The network with which the others of a curve are compared: the first.
std::optional<int64_t> base_model(const RadiusCurve& curve, const campaign::PlanResult& plan) {
  return model_of(plan, *curve.radii.front().run);
}

Series golden_series(const RadiusCurve& curve, const campaign::PlanResult& plan, int64_t base) {
  const auto golden = [&](int64_t model) {
    return kPercent * plan.models[static_cast<size_t>(model)].golden_accuracy;
  };
  Series series{.name = "no faults", .style = {.dash = Dash::kDotted, .marker = Marker::kCross}};
  for (size_t i = 0; i < curve.radii.size(); ++i) {
    const std::optional<int64_t> model = model_of(plan, *curve.radii[i].run);
    if (!model) continue;
    series.x.push_back(static_cast<double>(i));
    series.y.push_back(golden(*model) - golden(base));
    series.labels.push_back(curve.radii[i].run->name);
  }
  return series;
}

Series level_series(const RadiusCurve& curve, const campaign::PlanResult& plan, int64_t base,
                    int64_t kind, size_t level) {
  Series series{.name = plan.levels[level].label,
                .style = {.colour = static_cast<int64_t>(level) + 1}};
  for (size_t i = 1; i < curve.radii.size(); ++i) {
    const std::optional<int64_t> model = model_of(plan, *curve.radii[i].run);
    if (!model) continue;
    const auto pair = oriented_pair(plan, *model, base, kind, static_cast<int64_t>(level));
    if (!pair) continue;
    series.x.push_back(static_cast<double>(i));
    series.y.push_back(kPercent * pair->difference);
    series.low.push_back(kPercent * pair->ci.low);
    series.high.push_back(kPercent * pair->ci.high);
    series.labels.push_back(curve.radii[i].run->name);
  }
  return series;
}

Figure radius_figure(const Findings& findings, const RadiusCurve& curve,
                     const campaign::PlanResult& plan, size_t kind) {
  const std::string& name = plan.kinds[kind];
  const std::string over = curve.radii.front().rho > 0
                               ? "rho " + short_number(curve.radii.front().rho)
                               : std::string("conventional training");
  Figure figure{
      .id = plan_id(findings, plan, detail::concat("rho-", slug(curve.name()), "-", slug(name))),
      .title = detail::concat(plan_prefix(findings, plan), "Gain against rho: ", kind_title(name),
                              " (", curve.name(), ")"),
      .caption = "Accuracy less that of " + over +
                 ", one line a bit error rate; networks are equal in all settings but "
                 "rho. Bands are 95 % intervals over common fault maps.",
      .x = radius_axis(curve),
      .y = {.title = "Accuracy gained (points)"}};
  const std::optional<int64_t> base = base_model(curve, plan);
  if (!base) return figure;
  figure.series.push_back(golden_series(curve, plan, *base));
  for (size_t level = 0; level < plan.levels.size(); ++level)
    figure.series.push_back(level_series(curve, plan, *base, static_cast<int64_t>(kind), level));
  std::erase_if(figure.series,
                [](const Series& series) { return series.x.size() + 1 < kFewestRadii; });
  return figure;
}

Table radius_table(const std::vector<RadiusCurve>& curves) {
  Table table{.id = "rho",
              .title = "Networks that differ in rho alone",
              .caption =
                  "rho / ‖Q(w)‖ is the radius in proportion to the quantized weights' norm "
                  "at the end of training.",
              .columns = {{"Curve", 0, "curve"},
                          {"Run", 0, "run"},
                          {"rho", 3, "rho"},
                          {"rho / ‖Q(w)‖", 5, "rho_relative"},
                          {"No faults (%)", 2, "accuracy_percent"},
                          {"Zeros (%)", 1, "sparsity_percent"}},
              .rows = {}};
  for (const RadiusCurve& curve : curves) {
    for (const Radius& radius : curve.radii)
      table.rows.push_back({curve.name(), radius.run->name, radius.rho,
                            number_of(*radius.run, "rho_relative"),
                            kPercent * number_of(*radius.run, "accuracy"),
                            kPercent * number_of(*radius.run, "sparsity")});
  }
  return table;
}

}  // namespace

Section radius_section(const Findings& findings) {
  Section section{.id = "rho", .title = "How far to look for sharpness: rho"};
  const std::vector<RadiusCurve> curves = curves_of(findings);
  if (curves.empty()) return section;
  section.blocks.emplace_back(radius_table(curves));
  for (const campaign::PlanResult& plan : findings.plans) {
    if (plan.single_fault) continue;
    for (const RadiusCurve& curve : curves) {
      for (size_t kind = 0; kind < plan.kinds.size(); ++kind) {
        Figure figure = radius_figure(findings, curve, plan, kind);
        if (figure.series.size() > 1) section.blocks.emplace_back(std::move(figure));
      }
    }
  }
  return section;
}

}  // namespace flatenn::report
