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
    for (const Trial& trial : trials_) trial.weights->undo();
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
      zeros[a] += std::count(codes.begin(), codes.end(), int16_t{0});
    }
  });
  return std::vector<int64_t>(zeros.begin(), zeros.end());
}

/// How many of the first jobs run together: those over the same images.
size_t ChunkedEngine::batch_size(std::span<const Job> jobs) const {
  size_t count = 1;
  while (count < jobs.size() && static_cast<int64_t>(count) < limits_.trials &&
         std::equal(jobs[count].images.begin(), jobs[count].images.end(), jobs[0].images.begin(),
                    jobs[0].images.end())) {
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

TrialWeights& ChunkedEngine::slot(size_t index) {
  while (slots_.size() <= index) slots_.push_back(make_weights());
  return *slots_[index];
}

void ChunkedEngine::run_batch(std::span<Job> jobs) {
  trials_.clear();
  const UndoAtExit undo(trials_);
  int64_t golden_layers = 0;
  for (size_t i = 0; i < jobs.size(); ++i) {
    Trial trial{.job = &jobs[i], .weights = &slot(i), .first_layer = first_layer(jobs[i])};
    trial.plain = jobs[i].activations != nullptr;
    golden_layers = std::max(golden_layers, trial.first_layer);
    trials_.push_back(trial);
    trial.weights->apply(jobs[i]);
  }
  // A lone fault-free job is its own golden pass.
  if (jobs.size() == 1 && golden_layers == layer_count()) {
    trials_[0].first_layer = golden_layers = 0;
  }
  over_chunks(jobs[0],
              [&](int64_t worker, const Chunk& chunk) { run_chunk(worker, chunk, golden_layers); });
}

void ChunkedEngine::run_chunk(int64_t worker, const Chunk& chunk, int64_t golden_layers) {
  load(worker, chunk);
  // Trials with faults in activations may read what fusing would leave out.
  const bool plain =
      std::any_of(trials_.begin(), trials_.end(), [](const Trial& trial) { return trial.plain; });
  run_golden(worker, chunk, golden_layers, plain);
  const int64_t classes = network_->classes();
  // Jobs without faults first: their logits are those that the golden pass has just written.
  for (const bool faulty : {false, true}) {
    for (const Trial& trial : trials_) {
      if ((trial.first_layer < layer_count()) != faulty) continue;
      run_trial(worker, chunk, trial, layer_count() - 1);
      std::copy_n(logits(worker).begin(), chunk.count * classes,
                  trial.job->logits.begin() + chunk.first * classes);
    }
  }
}

void ChunkedEngine::over_chunks(const Job& job,
                                const std::function<void(int64_t, const Chunk&)>& body) const {
  const int64_t count = job_images(job, *images_);
  const int64_t chunks = (count + limits_.chunk_images - 1) / limits_.chunk_images;
  std::atomic<int64_t> next{0};
  const int64_t workers = std::min(limits_.threads, chunks);
  parallel_for(workers, workers, [&](int64_t worker) {
    as_worker([&] {
      for (int64_t i = next++; i < chunks; i = next++) {
        const int64_t first = i * limits_.chunk_images;
        body(worker, {first, std::min(limits_.chunk_images, count - first), job.images});
      }
    });
  });
}

/// Runs the job's layers up to `last` and shows every chunk's activations.
void ChunkedEngine::visit_activations(const Job& job, int64_t last,
                                      const std::function<void(int64_t, const Chunk&)>& visit) {
  Job copy = job;
  trials_ = {{.job = &copy, .weights = &slot(0), .plain = true}};
  const UndoAtExit undo(trials_);
  trials_[0].weights->apply(copy);
  over_chunks(job, [&](int64_t worker, const Chunk& chunk) {
    load(worker, chunk);
    run_trial(worker, chunk, trials_[0], last);
    visit(worker, chunk);
  });
}

}  // namespace flatenn::engine
