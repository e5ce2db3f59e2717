#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/chunked/chunk.h"
#include "flatenn/engine/engine.h"

namespace flatenn::engine {

/// A private copy of a network's packed weights that a job's changes are written into and taken
/// back from.
class TrialWeights {
 public:
  virtual ~TrialWeights() = default;
  virtual void apply(const Job& job) = 0;
  virtual void undo() = 0;
};

/// A job while it runs: its weights, and the first layer that differs from the golden pass.
struct Trial {
  Job* job = nullptr;
  TrialWeights* weights = nullptr;  ///< Null until they are applied.
  int64_t first_layer = 0;
  bool plain = false;  ///< Every activation has to be written (faults in them, or a reader).
};

/// The order of work that the CPU's engines share: a chunk of images stays in cache while all jobs
/// over these images run, one worker thread a chunk; layers before a job's first faulty one are
/// computed once for all of them. Jobs over different images have chunks of their own, worked on
/// side by side. What a chunk looks like and how layers run is left to the derived engine, whose
/// calls name the worker they come from, in [0, threads).
class ChunkedEngine : public Engine {
 public:
  void run(std::span<Job> jobs) final;
  std::vector<int16_t> codes(const Job& job, int64_t activation) final;
  std::optional<std::vector<int64_t>> count_zeros(const Job& job) final;

 protected:
  struct Limits {
    int64_t threads = 1;
    int64_t chunk_images = 16;
    int64_t trials = 1;  ///< Jobs that run together.
  };
  /// Packed weights of all trials that run together take about this much.
  static constexpr int64_t kTrialBytes = int64_t{64} << 20;
  static constexpr int64_t kMostTrials = 16;

  ChunkedEngine(std::shared_ptr<const net::Network> network,
                std::shared_ptr<const ImageCodes> images);
  /// Called once by the derived constructor.
  void set_limits(const Limits& limits) { limits_ = limits; }

  /// Any thread may call it, several at once.
  virtual std::unique_ptr<TrialWeights> make_weights() const = 0;
  /// Makes the chunk's images the worker's current ones.
  virtual void load(int64_t worker, const Chunk& chunk) = 0;
  /// Fault-free layers before `layers`, into the worker's golden activations. What a fused step
  /// writes may reach one layer further.
  virtual void run_golden(int64_t worker, const Chunk& chunk, int64_t layers, bool plain) = 0;
  /// From the trial's first layer (golden activations before it) to layer `last`.
  virtual void run_trial(int64_t worker, const Chunk& chunk, const Trial& trial, int64_t last) = 0;
  /// Those that the last pass of this worker wrote, [chunk images, classes].
  virtual std::span<const float> logits(int64_t worker) const = 0;
  /// Codes that run_trial left of an activation: [chunk's count, CHW].
  virtual void read_codes(int64_t worker, const Chunk& chunk, int64_t activation,
                          int16_t* out) const = 0;
  /// Wraps all work of one worker thread.
  virtual void as_worker(const std::function<void()>& body) const { body(); }

  /// Calls body(worker, chunk) for every chunk of the job's images, on all threads.
  void over_chunks(const Job& job, const std::function<void(int64_t, const Chunk&)>& body) const;

  const net::Network& network() const { return *network_; }
  const ImageCodes& images() const { return *images_; }
  const Limits& limits() const { return limits_; }
  int64_t layer_count() const { return static_cast<int64_t>(network_->layers.size()); }
  /// The layer that writes an activation; -1 for the image.
  int64_t writer(int64_t activation) const { return writer_[static_cast<size_t>(activation)]; }

 private:
  /// Neighbouring jobs over the same images: they share a chunk's golden pass.
  struct Group {
    size_t first = 0;  ///< Of trials_.
    size_t count = 0;
    int64_t golden_layers = 0;
    bool plain = false;
  };

  size_t batch_size(std::span<const Job> jobs) const;
  int64_t first_layer(const Job& job) const;
  void apply_changes();
  void run_batch(std::span<Job> jobs);
  void run_groups();
  void run_chunk(int64_t worker, const Chunk& chunk, const Group& group);
  std::vector<Chunk> chunks_of(const Job& job) const;
  /// Calls body(worker, item) for items 0, 1, ... on all threads.
  void share_out(int64_t items, const std::function<void(int64_t, int64_t)>& body) const;
  void visit_activations(const Job& job, int64_t last,
                         const std::function<void(int64_t, const Chunk&)>& visit);

  std::shared_ptr<const net::Network> network_;
  std::shared_ptr<const ImageCodes> images_;
  std::vector<int64_t> writer_;  ///< [activations]
  Limits limits_;
  std::vector<std::unique_ptr<TrialWeights>> slots_;
  std::vector<Trial> trials_;
  std::vector<Group> groups_;
};

}  // namespace flatenn::engine
