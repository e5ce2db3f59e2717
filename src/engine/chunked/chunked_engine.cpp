#include "engine/chunked/chunked_engine.h"

#include <algorithm>
#include <atomic>

#include "engine/job_checks.h"
#include "flatenn/base/parallel.h"

namespace flatenn::engine {
namespace {

/// Takes the changes of trials back, also where a pass throws.
class UndoAtExit {
 public:
  explicit UndoAtExit(const std::vector<Trial>& trials) : trials_(trials) {}
  ~UndoAtExit() {
    for (const Trial& trial : trials_) {
      if (trial.weights != nullptr) trial.weights->undo();
    }
  }
  UndoAtExit(const UndoAtExit&) = delete;
  UndoAtExit& operator=(const UndoAtExit&) = delete;

 private:
  const std::vector<Trial>& trials_;
};

}  // namespace

ChunkedEngine::ChunkedEngine(std::shared_ptr<const net::Network> network,
                             std::shared_ptr<const ImageCodes> images)
    : network_(std::move(network)),
      images_(std::move(images)),
      writer_(network_->activations.size(), -1) {
  for (size_t i = 0; i < network_->layers.size(); ++i) {
    writer_[static_cast<size_t>(network_->layers[i].dst)] = static_cast<int64_t>(i);
  }
}

void ChunkedEngine::run(std::span<Job> jobs) {
  for (const Job& job : jobs) check_job(*network_, *images_, job);
  while (!jobs.empty()) {
    const size_t count = batch_size(jobs);
    run_batch(jobs.first(count));
    jobs = jobs.subspan(count);
  }
}

std::vector<int16_t> ChunkedEngine::codes(const Job& job, int64_t activation) {
  check_codes_request(*network_, *images_, job, activation);
  const int64_t size = network_->activations[static_cast<size_t>(activation)].shape.elements();
  std::vector<int16_t> result(static_cast<size_t>(job_images(job, *images_) * size));
  visit_activations(job, writer(activation), [&](int64_t worker, const Chunk& chunk) {
    read_codes(worker, chunk, activation, &result[static_cast<size_t>(chunk.first * size)]);
  });
  return result;
}

std::optional<std::vector<int64_t>> ChunkedEngine::count_zeros(const Job& job) {
  check_codes_request(*network_, *images_, job, 0);
  std::vector<std::atomic<int64_t>> zeros(network_->activations.size());
  visit_activations(job, layer_count() - 1, [&](int64_t worker, const Chunk& chunk) {
    std::vector<int16_t> codes;
    for (size_t a = 0; a < zeros.size(); ++a) {
      if (network_->activations[a].is_float) continue;
      codes.resize(static_cast<size_t>(chunk.count * network_->activations[a].shape.elements()));
      read_codes(worker, chunk, static_cast<int64_t>(a), codes.data());
      zeros[a] += std::count(codes.begin(), codes.end(),
                             static_cast<int16_t>(network_->activations[a].zero_point));
    }
  });
  return std::vector<int64_t>(zeros.begin(), zeros.end());
}

/// How many of the first jobs run together: up to the limit, all with or all without a list of
/// images (the latter are one group then, as load() may count on).
size_t ChunkedEngine::batch_size(std::span<const Job> jobs) const {
  size_t count = 1;
  while (count < jobs.size() && static_cast<int64_t>(count) < limits_.trials &&
         jobs[count].images.empty() == jobs[0].images.empty()) {
    ++count;
  }
  return count;
}

int64_t ChunkedEngine::first_layer(const Job& job) const {
  int64_t first = layer_count();
  for (const WeightChange& change : job.weights) first = std::min<int64_t>(first, change.layer);
  for (const BiasChange& change : job.biases) first = std::min<int64_t>(first, change.layer);
  if (job.activations == nullptr) return first;
  for (size_t a = 0; a < writer_.size(); ++a) {
    if (!network_->activations[a].is_float && job.activations->touches(static_cast<int64_t>(a))) {
      first = std::min(first, std::max<int64_t>(writer_[a], 0));
    }
  }
  return first;
}

/// Writes each trial's changes into weights of its own. With few images a trial this takes as long
/// as the passes.
void ChunkedEngine::apply_changes() {
  slots_.resize(std::max(slots_.size(), trials_.size()));
  parallel_for(std::ssize(trials_), limits_.threads, [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    if (!slots_[at]) slots_[at] = make_weights();
    trials_[at].weights = slots_[at].get();
    trials_[at].weights->apply(*trials_[at].job);
  });
}

void ChunkedEngine::run_batch(std::span<Job> jobs) {
  trials_.clear();
  groups_.clear();
  const UndoAtExit undo(trials_);
  for (size_t i = 0; i < jobs.size(); ++i) {
    if (i == 0 || !std::ranges::equal(jobs[i].images, jobs[i - 1].images)) {
      groups_.push_back({.first = i});
    }
    Group& group = groups_.back();
    Trial trial{.job = &jobs[i], .first_layer = first_layer(jobs[i])};
    trial.plain = jobs[i].activations != nullptr;
    group.count += 1;
    group.golden_layers = std::max(group.golden_layers, trial.first_layer);
    group.plain = group.plain || trial.plain;
    trials_.push_back(trial);
  }
  apply_changes();
  run_groups();
}

/// All chunks of all groups in one go, so that small groups keep every thread busy too.
void ChunkedEngine::run_groups() {
  std::vector<std::pair<const Group*, Chunk>> work;
  for (Group& group : groups_) {
    // A lone fault-free job is its own golden pass.
    if (group.count == 1 && group.golden_layers == layer_count()) {
      trials_[group.first].first_layer = group.golden_layers = 0;
    }
    for (const Chunk& chunk : chunks_of(*trials_[group.first].job))
      work.emplace_back(&group, chunk);
  }
  share_out(static_cast<int64_t>(work.size()), [&](int64_t worker, int64_t i) {
    const auto& [group, chunk] = work[static_cast<size_t>(i)];
    run_chunk(worker, chunk, *group);
  });
}

void ChunkedEngine::run_chunk(int64_t worker, const Chunk& chunk, const Group& group) {
  load(worker, chunk);
  // Trials with faults in activations may read what fusing would leave out.
  run_golden(worker, chunk, group.golden_layers, group.plain);
  const int64_t classes = network_->classes();
  // Jobs without faults first: their logits are those that the golden pass has just written.
  for (const bool faulty : {false, true}) {
    for (const Trial& trial : std::span(trials_).subspan(group.first, group.count)) {
      if ((trial.first_layer < layer_count()) != faulty) continue;
      run_trial(worker, chunk, trial, layer_count() - 1);
      std::copy_n(logits(worker).begin(), chunk.count * classes,
                  trial.job->logits.begin() + chunk.first * classes);
    }
  }
}

std::vector<Chunk> ChunkedEngine::chunks_of(const Job& job) const {
  const int64_t count = job_images(job, *images_);
  std::vector<Chunk> chunks;
  for (int64_t first = 0; first < count; first += limits_.chunk_images) {
    chunks.push_back({first, std::min(limits_.chunk_images, count - first), job.images});
  }
  return chunks;
}

void ChunkedEngine::share_out(int64_t items,
                              const std::function<void(int64_t, int64_t)>& body) const {
  std::atomic<int64_t> next{0};
  const int64_t workers = std::min(limits_.threads, items);
  parallel_for(workers, workers, [&](int64_t worker) {
    as_worker([&] {
      for (int64_t i = next++; i < items; i = next++) body(worker, i);
    });
  });
}

void ChunkedEngine::over_chunks(const Job& job,
                                const std::function<void(int64_t, const Chunk&)>& body) const {
  const std::vector<Chunk> chunks = chunks_of(job);
  share_out(static_cast<int64_t>(chunks.size()),
            [&](int64_t worker, int64_t i) { body(worker, chunks[static_cast<size_t>(i)]); });
}

/// Runs the job's layers up to `last` and shows every chunk's activations.
void ChunkedEngine::visit_activations(const Job& job, int64_t last,
                                      const std::function<void(int64_t, const Chunk&)>& visit) {
  Job copy = job;
  trials_ = {{.job = &copy, .plain = true}};
  const UndoAtExit undo(trials_);
  apply_changes();
  over_chunks(job, [&](int64_t worker, const Chunk& chunk) {
    load(worker, chunk);
    run_trial(worker, chunk, trials_[0], last);
    visit(worker, chunk);
  });
}

}  // namespace flatenn::engine
