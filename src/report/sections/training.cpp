#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

struct Curve {
  const char* key;  ///< In metrics.jsonl.
  const char* id;
  const char* title;
  const char* axis;
  double factor;
};

constexpr Curve kCurves[] = {
    {"test_accuracy", "training-accuracy", "Accuracy while training", "Accuracy (%)", kPercent},
    {"train_loss", "training-loss", "Training loss", "Cross-entropy", 1},
    {"sparsity", "training-sparsity", "Activation sparsity while training", "Zeros (%)", kPercent},
};

Series run_series(const Run& run, const Curve& curve, int64_t position) {
  const auto [recipe, activation] = split_arm(run.arm());
  Series series{.name = recipe.empty() ? run.name : arm_title(run.arm()),
                .style = arm_style(recipe, activation, position)};
  series.style.marker = Marker::kNone;
  for (const nlohmann::json& epoch : run.epochs) {
    const auto value = epoch.find(curve.key);
    if (value == epoch.end() || !value->is_number()) continue;
    series.x.push_back(epoch.value("epoch", static_cast<double>(series.x.size() + 1)));
    series.y.push_back(curve.factor * value->get<double>());
    series.labels.push_back(run.name);
  }
  return series;
}

}  // namespace

Section training_section(const Findings& findings) {
  Section section{.id = "training", .title = "Training"};
  for (const Curve& curve : kCurves) {
    Figure figure{.id = curve.id,
                  .title = curve.title,
                  .caption =
                      "After each epoch, measured on the test images (on held-out training "
                      "images where the run says so).",
                  .x = {.title = "Epoch", .whole = true},
                  .y = {.title = curve.axis}};
    if (std::string(curve.key) == "train_loss")
      figure.caption = "Mean over each epoch's batches, without the sparsity term.";
    for (size_t i = 0; i < findings.runs.size(); ++i) {
      Series series = run_series(findings.runs[i], curve, static_cast<int64_t>(i));
      if (!series.x.empty()) figure.series.push_back(std::move(series));
    }
    if (!figure.series.empty()) section.blocks.emplace_back(std::move(figure));
  }
  return section;
}

}  // namespace flatenn::report
