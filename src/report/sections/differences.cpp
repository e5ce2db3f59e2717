
#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

/// Training seed of a model, by which models of two arms are paired.
int64_t seed_of(const campaign::PlanResult& plan, int64_t model) {
  return plan.models[static_cast<size_t>(model)].training_seed().value_or(0);
}

/// Differences of one comparison in one cell: one for each training seed both arms have.
std::vector<campaign::PairResult> pairs_of(const campaign::PlanResult& plan,
                                           const Comparison& comparison, int64_t kind,
                                           size_t level) {
  std::vector<campaign::PairResult> pairs;
  for (const int64_t better : comparison.better.models) {
    for (const int64_t worse : comparison.worse.models) {
      const bool matched =
          seed_of(plan, better) == seed_of(plan, worse) ||
          (comparison.better.models.size() == 1 && comparison.worse.models.size() == 1);
      if (!matched) continue;
      const auto pair = oriented_pair(plan, better, worse, kind, static_cast<int64_t>(level));
      if (pair && pair->trials > 0) pairs.push_back(*pair);
    }
  }
  return pairs;
}

Estimate estimate_of(const std::vector<campaign::PairResult>& pairs) {
  std::vector<double> values;
  for (const campaign::PairResult& pair : pairs) values.push_back(pair.difference);
  return over_models(values, pairs.front().ci);
}

Series comparison_series(const campaign::PlanResult& plan, const Comparison& comparison,
                         int64_t kind) {
  Series series{.name = comparison.title, .style = comparison.better.style};
  for (size_t level = 0; level < plan.levels.size(); ++level) {
    const auto pairs = pairs_of(plan, comparison, kind, level);
    if (pairs.empty()) continue;
    const Estimate estimate = estimate_of(pairs);
    series.x.push_back(plan.levels[level].place());
    series.y.push_back(kPoints * estimate.mean);
    series.low.push_back(kPoints * estimate.interval.low);
    series.high.push_back(kPoints * estimate.interval.high);
    series.labels.push_back(pairs.size() > 1
                                ? std::to_string(pairs.size()) + " seeds"
                                : std::to_string(pairs.front().trials) + " common maps");
  }
  return series;
}

bool over_seeds(const std::vector<Comparison>& comparisons) {
  return !comparisons.empty() && comparisons.front().better.models.size() > 1;
}

/// One row for a comparison in a cell.
std::vector<Field> difference_row(const campaign::PlanResult& plan, const Comparison& comparison,
                                  size_t kind, size_t level,
                                  const std::vector<campaign::PairResult>& pairs) {
  const Estimate estimate = estimate_of(pairs);
  const bool seeds = pairs.size() > 1;
  const campaign::PairResult& first = pairs.front();
  return {kind_title(plan.kinds[kind]),
          plan.levels[level].label,
          comparison.title,
          static_cast<double>(pairs.size()),
          static_cast<double>(first.trials),
          kPoints * estimate.mean,
          kPoints * first.ci.low,
          kPoints * first.ci.high,
          seeds ? kPoints * estimate.interval.low : kNoNumber,
          seeds ? kPoints * estimate.interval.high : kNoNumber};
}

Table difference_table(const Findings& findings, const campaign::PlanResult& plan,
                       const std::vector<Comparison>& comparisons) {
  Table table{.id = plan_id(findings, plan, "differences"),
              .title = plan_prefix(findings, plan) + "Paired differences of accuracy, in points",
              .caption =
                  "Interval over maps: the two networks of the first seed. Interval over "
                  "seeds: the method; blank with one seed.",
              .columns = {{"Faults", 0, "kind"},
                          {"Rate", 0, "bit_error_rate"},
                          {"Comparison", 0, "comparison"},
                          {"Seeds", 0, "seeds"},
                          {"Maps", 0, "maps"},
                          {"Difference", 2, "difference_points"},
                          {"maps, low", 2, "maps_low"},
                          {"maps, high", 2, "maps_high"},
                          {"seeds, low", 2, "seeds_low"},
                          {"seeds, high", 2, "seeds_high"}}};
  for (size_t kind = 0; kind < plan.kinds.size(); ++kind) {
    for (size_t level = 0; level < plan.levels.size(); ++level) {
      for (const Comparison& comparison : comparisons) {
        const auto pairs = pairs_of(plan, comparison, static_cast<int64_t>(kind), level);
        if (!pairs.empty())
          table.rows.push_back(difference_row(plan, comparison, kind, level, pairs));
      }
    }
  }
  return table;
}

void add_figures(const Findings& findings, const campaign::PlanResult& plan,
                 const std::vector<Comparison>& comparisons, const std::string& id,
                 const std::string& title, Section& section) {
  for (size_t kind = 0; kind < plan.kinds.size(); ++kind) {
    Figure figure = difference_figure(plan, static_cast<int64_t>(kind), comparisons);
    if (figure.series.empty()) continue;
    figure.id = plan_id(findings, plan, id + "-" + slug(plan.kinds[kind]));
    figure.title = plan_prefix(findings, plan) + title + ", " + kind_title(plan.kinds[kind]);
    section.blocks.emplace_back(std::move(figure));
  }
}

}  // namespace

Figure difference_figure(const campaign::PlanResult& plan, int64_t kind,
                         const std::vector<Comparison>& comparisons) {
  Figure figure{.x = level_axis(plan), .y = {.title = "Difference of accuracy (points)"}};
  for (const Comparison& comparison : comparisons) {
    Series series = comparison_series(plan, comparison, kind);
    if (!series.x.empty()) figure.series.push_back(std::move(series));
  }
  figure.references.push_back({"", 0, {.colour = 4}});
  figure.caption =
      over_seeds(comparisons)
          ? "Mean over training seeds with its 95 % Student-t interval: says something about the "
            "method."
          : "These two networks, on common fault maps and images, with the 95 % "
            "interval over maps; a claim about the method needs more training seeds.";
  return figure;
}

Section differences_section(const Findings& findings) {
  Section section{.id = "differences", .title = "Paired differences"};
  for (const campaign::PlanResult& plan : findings.plans) {
    if (plan.single_fault) continue;
    const std::vector<Arm> arms = arms_of(plan);
    std::vector<Comparison> all = recipe_comparisons(arms);
    add_figures(findings, plan, all, "gain", "Gain over conventional training", section);
    const std::vector<Comparison> sparse = activation_comparisons(arms);
    add_figures(findings, plan, sparse, "sparse", "What sparsity costs: standard minus sparse",
                section);
    all.insert(all.end(), sparse.begin(), sparse.end());
    Table table = difference_table(findings, plan, all);
    if (!table.rows.empty()) section.blocks.emplace_back(std::move(table));
  }
  return section;
}

}  // namespace flatenn::report
