#include <algorithm>
#include <array>

#include "campaign/image_subset.h"
#include "campaign/workload.h"
#include "flatenn/base/error.h"
#include "flatenn/base/number.h"
#include "flatenn/net/content_hash.h"

/// Wrong numbers caught: trials that are run twice, and models that must not change.
namespace flatenn::campaign {
namespace {

/// An engine of the CPU whose products are others than those of the engine with this name.
engine::EngineKind other_kind(const std::string& name) {
  return name.starts_with("lanes") ? engine::EngineKind::kOneDnn : engine::EngineKind::kLanes;
}

int64_t other_threads(int64_t threads) { return threads > 1 ? 1 : 2; }

/// Names what two runs of a trial count differently: "correct 812 and 813".
std::string difference(const store::TrialRow& first, const store::TrialRow& second) {
  const auto both = [](const char* name, const auto& a, const auto& b) {
    return detail::concat(name, " ", a, " and ", b);
  };
  if (first.drawn != second.drawn) return both("faults drawn", first.drawn, second.drawn);
  if (first.landed != second.landed) return both("faults landed", first.landed, second.landed);
  if (first.correct != second.correct) return both("images right", first.correct, second.correct);
  if (first.identical != second.identical) {
    return both("images with golden logits", first.identical, second.identical);
  }
  return both("loss", number_text(first.loss), number_text(second.loss));
}

}  // namespace

engine::Engine& Workload::second_engine_of(Subject& subject) {
  if (subject.second) return *subject.second;
  const std::string first = engine_of(subject).name();
  const int64_t threads = other_threads(threads_);
  try {
    subject.second = engine::make_engine(subject.network, subject.codes,
                                         {.kind = other_kind(first), .threads = threads});
  } catch (const Error&) {  // not built in, or not for this network
    subject.second = engine::make_engine(subject.network, subject.codes,
                                         {.kind = options_.engine.kind, .threads = threads});
  }
  second_engine_name_ = detail::concat(subject.second->name(), " with ", threads,
                                       threads == 1 ? " thread" : " threads");
  return *subject.second;
}

/// Draws the trial by way of its map, whichever way it was drawn the first time.
Workload::Prepared Workload::prepare_again(const store::TrialRow& row) const {
  const store::CellRow& cell = cells_[static_cast<size_t>(row.cell)];
  const PlanModel& model = models_[static_cast<size_t>(cell.model)];
  Prepared again;
  inject(cell, row.trial, plan_.seed, again.injection);
  if (plan_.single_fault == SingleFault::kOff && !plan_.stratified) {
    const auto& injectors = model.injectors[static_cast<size_t>(cell.kind)];
    const auto level = static_cast<size_t>(cell.level);
    const fault::Injector& injector = injectors[std::min(level, injectors.size() - 1)];
    fault::Injection by_map = injector.apply(
        injector.draw(plan_.levels[level].rate, plan_.seed, static_cast<uint64_t>(row.trial)));
    by_map.activations = again.injection.activations;
    again.injection = std::move(by_map);
  }
  again.row = {.cell = row.cell,
               .trial = row.trial,
               .drawn = again.injection.counts.drawn,
               .landed = again.injection.counts.landed};
  again.subject = model.subjects[static_cast<size_t>(cell.kind)];
  if (images_per_trial() < images().count) {
    again.images = image_subset(plan_.seed, row.trial, images().count, images_per_trial());
  }
  return again;
}

void Workload::verify(std::span<const store::TrialRow> rows) {
  for (const store::TrialRow& row : rows) {
    Prepared again = prepare_again(row);
    Subject& subject = subjects_[static_cast<size_t>(again.subject)];
    std::array<Prepared*, 1> one = {&again};
    run_jobs(one, subject, second_engine_of(subject));
    FLATENN_CHECK(again.row == row, label_of(cells_[static_cast<size_t>(row.cell)]), ", trial ",
                  row.trial, ": two runs differ: ", difference(row, again.row), " (",
                  engine_of(subject).name(), ", then ", second_engine_name_,
                  "); this trial was not stored, and no number of this machine can be relied on "
                  "before the reason is found");
  }
}

void Workload::check_unchanged(int64_t model) {
  const PlanModel& checked = models_[static_cast<size_t>(model)];
  for (const int64_t subject : checked.subjects) {
    check_unchanged(checked, subjects_[static_cast<size_t>(subject)]);
  }
}

void Workload::check_unchanged(const PlanModel& model, Subject& subject) {
  if (!subject.engine) return;
  const std::string hash = net::content_hash(*subject.network);
  const bool same_logits =
      hash == subject.hash && engine::golden_logits(*subject.engine, *subject.network,
                                                    *subject.codes) == subject.golden->logits;
  FLATENN_CHECK(same_logits, model.path, ": changed in memory during the campaign (",
                hash != subject.hash ? "its weights" : "its fault-free logits",
                " are others than before); trials stored since its start may be wrong");
}

void Workload::check_goldens(const Workload& first) const {
  for (size_t i = 0; i < subjects_.size(); ++i) {
    FLATENN_CHECK(subjects_[i].golden->logits == first.subjects_[i].golden->logits,
                  "its fault-free pass of network ", subjects_[i].hash.substr(0, 12),
                  " differs from that on ", first.engine_name(),
                  "; one of the two computes wrongly");
  }
}

}  // namespace flatenn::campaign
