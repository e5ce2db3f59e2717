#include <cmath>
#include <map>
#include <set>

#include "flatenn/base/file.h"
#include "flatenn/report/report.h"
#include "report/event_file.h"
#include "report/format.h"
#include "report/make_folder.h"

namespace flatenn::report {
namespace {

constexpr double kPerMillion = 1e6;

/// Every number of each epoch, under its name in metrics.jsonl.
std::vector<EventScalar> scalars_of(const Run& run) {
  std::vector<EventScalar> scalars;
  int64_t line = 0;
  for (const nlohmann::json& epoch : run.epochs) {
    const int64_t step = epoch.value("epoch", ++line);
    for (const auto& [name, value] : epoch.items()) {
      if (name != "epoch" && value.is_number())
        scalars.push_back({"training/" + name, step, value.get<float>()});
    }
  }
  return scalars;
}

std::string level_name(const campaign::PlanResult& plan, int64_t level) {
  const auto& item = plan.levels[static_cast<size_t>(level)];
  return item.count ? std::to_string(*item.count) + " faults" : rate_percent(item.rate);
}

/// The mean after each trial: how a cell settles.
void add_running_mean(const campaign::PlanResult& plan, const campaign::CellResult& cell,
                      std::vector<EventScalar>& scalars) {
  const std::string tag = "mean accuracy by trial/" + plan.kinds[static_cast<size_t>(cell.kind)] +
                          " " + level_name(plan, cell.level);
  double sum = 0;
  for (size_t i = 0; i < cell.accuracies.size(); ++i) {
    sum += cell.accuracies[i];
    const auto trials = static_cast<int64_t>(i + 1);
    scalars.push_back({tag, trials, static_cast<float>(sum / static_cast<double>(trials))});
  }
}

/// Accuracy against the level (steps are whole: faults, or faults a million bits) and by trial.
std::vector<EventScalar> scalars_of(const campaign::PlanResult& plan, int64_t model) {
  std::vector<EventScalar> scalars;
  const std::string by = plan.by_counts() ? "faults" : "faults per million bits";
  for (const campaign::CellResult& cell : plan.cells) {
    if (cell.model != model || cell.accuracy.count == 0) continue;
    const auto& level = plan.levels[static_cast<size_t>(cell.level)];
    const int64_t step = level.count ? *level.count : std::llround(kPerMillion * level.rate);
    scalars.push_back({"accuracy by " + by + "/" + plan.kinds[static_cast<size_t>(cell.kind)], step,
                       static_cast<float>(cell.accuracy.mean)});
    add_running_mean(plan, cell, scalars);
  }
  return scalars;
}

/// Writes event files below a folder; no two runs share one.
class Writer {
 public:
  explicit Writer(std::filesystem::path folder) : folder_(std::move(folder)) {
    make_folder(folder_);
  }

  void write(const std::string& group, const std::string& name,
             const std::vector<EventScalar>& scalars) {
    if (scalars.empty()) return;
    const std::string wanted = slug(group) + "/" + slug(name);
    std::string run = wanted;
    for (int64_t i = 2; !taken_.insert(run).second; ++i) run = wanted + "-" + std::to_string(i);
    make_folder(folder_ / run);
    // TensorBoard looks for "tfevents" in names.
    write_file_atomically(folder_ / run / "events.out.tfevents.0.flatenn", event_file(scalars));
  }

  int64_t files() const { return static_cast<int64_t>(taken_.size()); }

 private:
  std::filesystem::path folder_;
  std::set<std::string> taken_;
};

}  // namespace

int64_t write_event_files(const Findings& findings, const std::filesystem::path& folder) {
  Writer writer(folder);
  for (const Run& run : findings.runs) writer.write("training", run.name, scalars_of(run));
  for (const campaign::PlanResult& plan : findings.plans) {
    for (size_t model = 0; model < plan.models.size(); ++model)
      writer.write(plan.name, plan.models[model].name,
                   scalars_of(plan, static_cast<int64_t>(model)));
  }
  return writer.files();
}

}  // namespace flatenn::report
