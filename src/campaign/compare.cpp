#include "flatenn/campaign/compare.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "campaign/distributions.h"

namespace flatenn::campaign {
namespace {

using nlohmann::json;

constexpr double kConfidence = 0.95;

/// Welch's interval and p-value of mean(b) - mean(a) from independent trials.
void compare_unpaired(const CellResult& a, const CellResult& b, CellComparison& out) {
  const auto variance = [](const CellResult& cell) {
    const double floor = cell.images > 0 ? 1 / static_cast<double>(cell.images) : 0;
    if (cell.stratified()) {  // whose spread over maps is not that of its estimate
      const double error = cell.ci.half_width() / normal_quantile(1 - (1 - kConfidence) / 2);
      return error * error;
    }
    const double sd = std::max(cell.accuracy.sd, floor);
    return sd * sd / static_cast<double>(cell.accuracy.count);
  };
  out.difference = b.accuracy.mean - a.accuracy.mean;
  if (a.accuracy.count < 2 || b.accuracy.count < 2) {
    out.ci = {-INFINITY, INFINITY};
    return;
  }
  const double va = variance(a), vb = variance(b);
  const double error = std::sqrt(va + vb);
  const double degrees = (va + vb) * (va + vb) /
                         (va * va / static_cast<double>(a.accuracy.count - 1) +
                          vb * vb / static_cast<double>(b.accuracy.count - 1));
  const double half = student_quantile(1 - (1 - kConfidence) / 2, degrees) * error;
  out.ci = {out.difference - half, out.difference + half};
  out.p_value = 2 * student_cdf(-std::abs(out.difference) / error, degrees);
}

std::string faults_of(const PlanResult& plan, size_t kind) {
  const json settings = json::parse(plan.settings_json, nullptr, false);
  if (settings.is_discarded() || !settings.contains("kinds")) return "";
  return settings.at("kinds").at(kind).at("faults").dump();
}

bool meet_same_maps(const PlanResult& a, const PlanResult& b, const ModelResult& model_a,
                    const ModelResult& model_b, size_t kind_a, size_t kind_b) {
  return !a.share && !b.share && a.seed == b.seed && a.dataset_hash == b.dataset_hash &&
         a.split == b.split && a.dataset_images == b.dataset_images &&
         model_a.weight_bits == model_b.weight_bits && faults_of(a, kind_a) == faults_of(b, kind_b);
}

void judge(double tolerated, CellComparison& cell) {
  cell.regression = cell.ci.high < -tolerated;
  cell.gain = cell.ci.low > tolerated;
}

template <typename Items, typename Name>
int64_t find(const Items& items, const std::string& wanted, Name name) {
  const auto found = std::find_if(items.begin(), items.end(),
                                  [&](const auto& item) { return name(item) == wanted; });
  return found == items.end() ? -1 : found - items.begin();
}

class Comparer {
 public:
  Comparer(const PlanResult& before, const PlanResult& after, double tolerated)
      : a_(before), b_(after), tolerated_(tolerated) {
    out_.before = before.name;
    out_.after = after.name;
  }

  PlanComparison run() {
    const auto name = [](const ModelResult& model) { return model.name; };
    const bool single = a_.models.size() == 1 && b_.models.size() == 1;
    for (size_t i = 0; i < a_.models.size(); ++i) {
      const int64_t j = single ? 0 : find(b_.models, a_.models[i].name, name);
      if (j < 0) {
        out_.unmatched.push_back("network " + a_.models[i].name + " (first file only)");
      } else {
        compare_model(i, static_cast<size_t>(j));
      }
    }
    for (const ModelResult& model : b_.models) {
      if (!single && find(a_.models, model.name, name) < 0)
        out_.unmatched.push_back("network " + model.name + " (second file only)");
    }
    std::sort(out_.unmatched.begin(), out_.unmatched.end());
    const auto last = std::unique(out_.unmatched.begin(), out_.unmatched.end());
    out_.unmatched.erase(last, out_.unmatched.end());
    return std::move(out_);
  }

 private:
  void compare_model(size_t i, size_t j) {
    const ModelResult &before = a_.models[i], &after = b_.models[j];
    CellComparison golden{.model = before.name,
                          .before = before.golden_accuracy,
                          .after = after.golden_accuracy,
                          .difference = after.golden_accuracy - before.golden_accuracy,
                          .paired = a_.dataset_hash == b_.dataset_hash};
    golden.ci = {golden.difference, golden.difference};
    golden.p_value = golden.difference == 0 ? 1 : 0;
    judge(tolerated_, golden);
    out_.cells.push_back(golden);
    for (size_t kind = 0; kind < a_.kinds.size(); ++kind) compare_kind(i, j, kind);
  }

  void compare_kind(size_t i, size_t j, size_t kind_a) {
    const int64_t kind_b = find(b_.kinds, a_.kinds[kind_a], [](const auto& name) { return name; });
    if (kind_b < 0) {
      out_.unmatched.push_back("kind " + a_.kinds[kind_a] + " (first file only)");
      return;
    }
    for (size_t level = 0; level < a_.levels.size(); ++level) {
      const auto same = [](const Level& one) { return one.label; };
      const int64_t level_b = find(b_.levels, a_.levels[level].label, same);
      const CellResult* const before = a_.cell(
          static_cast<int64_t>(i), static_cast<int64_t>(kind_a), static_cast<int64_t>(level));
      const CellResult* const after =
          level_b < 0 ? nullptr : b_.cell(static_cast<int64_t>(j), kind_b, level_b);
      const bool have = before != nullptr && after != nullptr && before->accuracy.count > 0 &&
                        after->accuracy.count > 0;
      if (!have) {
        out_.unmatched.push_back("level " + a_.levels[level].label + " (no common trials)");
        continue;
      }
      const bool paired =
          meet_same_maps(a_, b_, a_.models[i], b_.models[j], kind_a, static_cast<size_t>(kind_b)) &&
          before->images == after->images && !before->stratified() && !after->stratified();
      add_cell(i, kind_a, level, *before, *after, paired);
    }
  }

  void add_cell(size_t model, size_t kind, size_t level, const CellResult& before,
                const CellResult& after, bool paired) {
    CellComparison cell{.model = a_.models[model].name,
                        .kind = a_.kinds[kind],
                        .level = a_.levels[level].label,
                        .before = before.accuracy.mean,
                        .after = after.accuracy.mean,
                        .paired = paired};
    if (paired) {
      const PairResult pair = compare_cells(before, after);
      cell.difference = pair.difference;
      cell.ci = pair.ci;
      cell.p_value = pair.p_value;
      const bool equal = before.accuracies == after.accuracies;
      if (equal) cell.ci = {0, 0};  // the same trials: nothing is left to chance
    } else {
      compare_unpaired(before, after, cell);
    }
    judge(tolerated_, cell);
    out_.cells.push_back(cell);
  }

  const PlanResult &a_, &b_;
  double tolerated_;
  PlanComparison out_;
};

}  // namespace

bool PlanComparison::has_regression() const {
  return std::any_of(cells.begin(), cells.end(),
                     [](const CellComparison& cell) { return cell.regression; });
}

PlanComparison compare_plans(const PlanResult& before, const PlanResult& after, double tolerated) {
  return Comparer(before, after, tolerated).run();
}

}  // namespace flatenn::campaign
