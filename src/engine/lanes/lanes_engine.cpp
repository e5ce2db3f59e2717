#include "engine/lanes/lanes_engine.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "engine/arithmetic.h"
#include "engine/job_checks.h"
#include "engine/lanes/image_lanes.h"
#include "engine/lanes/runner.h"
#include "flatenn/base/error.h"
#include "flatenn/base/parallel.h"

namespace flatenn::engine {
namespace lanes {
namespace {

/// A chunk's activations should leave room in a core's L2 cache for golden and faulty copies.
constexpr int64_t kChunkBytes = 384 * 1024;
constexpr int64_t kMostLaneGroups = 4;
/// Packed weights of all trials that run together.
constexpr int64_t kTrialBytes = int64_t{64} << 20;
constexpr int64_t kMostTrials = 16;
/// Images are kept in lanes for the engine's whole life where that takes no more than this.
constexpr int64_t kKeptImageBytes = int64_t{512} << 20;

/// A job while it runs: its weights, and the first layer that differs from the golden pass.
struct Trial {
  Job* job = nullptr;
  NetworkWeights* weights = nullptr;
  int64_t first_layer = 0;
  bool plain = false;  ///< Faults in activations need every activation written.
};

/// Takes the changes of trials back, also where a pass throws.
class UndoAtExit {
 public:
  explicit UndoAtExit(std::span<const Trial> trials) : trials_(trials) {}
  ~UndoAtExit() {
    for (const Trial& trial : trials_) trial.weights->undo();
  }
  UndoAtExit(const UndoAtExit&) = delete;
  UndoAtExit& operator=(const UndoAtExit&) = delete;

 private:
  std::span<const Trial> trials_;
};

class LanesEngine final : public Engine {
 public:
  LanesEngine(std::shared_ptr<const net::Network> network, std::shared_ptr<const ImageCodes> images,
              const LanesOptions& options)
      : network_(std::move(network)),
        images_(std::move(images)),
        threads_(resolve_threads(options.threads)),
        kernels_(kernels_for(options.isa ? *options.isa : best_isa())),
        layouts_(make_layouts(*network_)),
        lane_groups_(options.lane_groups > 0 ? options.lane_groups : choose_lane_groups()),
        program_(make_program(*network_, layouts_, lane_groups_)),
        runner_(*network_, layouts_, kernels_),
        writer_(network_->activations.size(), -1),
        golden_(*network_, layer_plans()) {
    for (size_t i = 0; i < network_->layers.size(); ++i) {
      writer_[static_cast<size_t>(network_->layers[i].dst)] = static_cast<int64_t>(i);
    }
    max_trials_ = options.trials_a_chunk > 0
                      ? options.trials_a_chunk
                      : std::clamp<int64_t>(kTrialBytes / golden_.bytes(), 1, kMostTrials);
    for (int64_t i = 0; i < threads_; ++i) {
      workspaces_.push_back(
          std::make_unique<Workspace>(program_, layouts_, lane_groups_, network_->classes()));
    }
    keep_images();
  }

  std::string name() const override { return std::string("lanes/") + kernels_.name; }

  void run(std::span<Job> jobs) override {
    for (const Job& job : jobs) check_job(*network_, *images_, job);
    while (!jobs.empty()) {
      const size_t count = batch_size(jobs);
      run_batch(jobs.first(count));
      jobs = jobs.subspan(count);
    }
  }

  std::vector<int16_t> codes(const Job& job, int64_t activation) override {
    check_codes_request(*network_, *images_, job, activation);
    const int64_t size = network_->activations[static_cast<size_t>(activation)].shape.elements();
    std::vector<int16_t> result(static_cast<size_t>(job_images(job, *images_) * size));
    visit_activations(job, writer_[static_cast<size_t>(activation)],
                      [&](const Chunk& chunk, const ChunkBuffers& buffers) {
                        extract(chunk, buffers, activation,
                                &result[static_cast<size_t>(chunk.first * size)]);
                      });
    return result;
  }

  std::optional<std::vector<int64_t>> count_zeros(const Job& job) override {
    check_codes_request(*network_, *images_, job, 0);
    std::vector<std::atomic<int64_t>> zeros(network_->activations.size());
    visit_activations(job, layer_count() - 1, [&](const Chunk& chunk, const ChunkBuffers& buffers) {
      for (size_t a = 0; a < zeros.size(); ++a) {
        zeros[a] += zeros_in(chunk, buffers, static_cast<int64_t>(a));
      }
    });
    return std::vector<int64_t>(zeros.begin(), zeros.end());
  }

  std::optional<std::vector<double>> time_layers() override {
    std::vector<std::atomic<int64_t>> nanoseconds(network_->layers.size());
    over_chunks({}, [&](Workspace& workspace, const Chunk& chunk) {
      const uint8_t* image = image_lanes(workspace, chunk);
      const auto source = [&](int64_t activation) -> const uint8_t* {
        return activation == 0 ? image : workspace.golden[activation];
      };
      for (const Step& step : program_.fused) {
        const auto start = std::chrono::steady_clock::now();
        run_step(step, golden_, workspace, chunk, source, workspace.golden);
        nanoseconds[static_cast<size_t>(layer_of(step))] +=
            std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
      }
    });
    std::vector<double> seconds;
    for (const auto& count : nanoseconds) seconds.push_back(1e-9 * static_cast<double>(count));
    return seconds;
  }

 private:
  int64_t choose_lane_groups() const {
    int64_t bytes = 0;
    for (const Layout& layout : layouts_) bytes += layout.bytes;
    const int64_t fit = std::clamp<int64_t>(kChunkBytes / bytes, 1, kMostLaneGroups);
    const int64_t needed = (images_->count + kLanes * threads_ - 1) / (kLanes * threads_);
    return std::max<int64_t>(1, std::min(fit, needed));
  }

  std::vector<const LayerPlan*> layer_plans() const {
    std::vector<const LayerPlan*> plans;
    for (const Step& step : program_.plain) plans.push_back(std::get_if<LayerPlan>(&step));
    return plans;
  }

  int64_t layer_count() const { return static_cast<int64_t>(network_->layers.size()); }
  int64_t chunk_images() const { return lane_groups_ * kLanes; }

  void keep_images() {
    const int64_t chunks = (images_->count + chunk_images() - 1) / chunk_images();
    const int64_t bytes = layouts_[0].bytes * lane_groups_;
    if (chunks * bytes > kKeptImageBytes) return;
    for (int64_t i = 0; i < chunks; ++i) kept_images_.emplace_back(bytes, layouts_[0].zero);
    parallel_for(chunks, threads_, [&](int64_t i) {
      load_images(*images_, chunk_at(i, images_->count, {}), layouts_[0], lane_groups_,
                  kept_images_[static_cast<size_t>(i)].data());
    });
  }

  Chunk chunk_at(int64_t index, int64_t count, std::span<const int64_t> list) const {
    const int64_t first = index * chunk_images();
    return {first, std::min(chunk_images(), count - first), list};
  }

  /// How many of the first jobs run together: those over the same images.
  size_t batch_size(std::span<const Job> jobs) const {
    size_t count = 1;
    while (count < jobs.size() && static_cast<int64_t>(count) < max_trials_ &&
           std::equal(jobs[count].images.begin(), jobs[count].images.end(), jobs[0].images.begin(),
                      jobs[0].images.end())) {
      ++count;
    }
    return count;
  }

  int64_t first_layer(const Job& job) const {
    int64_t first = layer_count();
    for (const WeightChange& change : job.weights) first = std::min<int64_t>(first, change.layer);
    for (const BiasChange& change : job.biases) first = std::min<int64_t>(first, change.layer);
    if (job.activations != nullptr) {
      for (size_t a = 0; a < writer_.size(); ++a) {
        if (!network_->activations[a].is_float &&
            job.activations->touches(static_cast<int64_t>(a))) {
          first = std::min(first, std::max<int64_t>(writer_[a], 0));
        }
      }
    }
    return first;
  }

  NetworkWeights& slot(size_t index) {
    while (slots_.size() <= index) {
      slots_.push_back(std::make_unique<NetworkWeights>(golden_));
    }
    return *slots_[index];
  }

  void run_batch(std::span<Job> jobs) {
    trials_.clear();
    int64_t golden_layers = 0;
    for (size_t i = 0; i < jobs.size(); ++i) {
      Trial trial{.job = &jobs[i], .weights = &slot(i), .first_layer = first_layer(jobs[i])};
      trial.plain = jobs[i].activations != nullptr;
      trial.weights->apply(jobs[i]);
      golden_layers = std::max(golden_layers, trial.first_layer);
      trials_.push_back(trial);
    }
    const UndoAtExit undo(trials_);
    // A lone fault-free job is its own golden pass.
    if (jobs.size() == 1 && golden_layers == layer_count())
      trials_[0].first_layer = golden_layers = 0;
    over_chunks(jobs[0], [&](Workspace& workspace, const Chunk& chunk) {
      run_chunk(workspace, chunk, golden_layers);
    });
  }

  /// Calls body(workspace, chunk) for every chunk of the job's images, on all threads.
  template <typename Body>
  void over_chunks(const Job& job, const Body& body) {
    const int64_t count = job_images(job, *images_);
    const int64_t chunks = (count + chunk_images() - 1) / chunk_images();
    std::atomic<int64_t> next{0};
    const int64_t workers = std::min(threads_, chunks);
    parallel_for(workers, workers, [&](int64_t worker) {
      for (int64_t i = next++; i < chunks; i = next++) {
        body(*workspaces_[static_cast<size_t>(worker)], chunk_at(i, count, job.images));
      }
    });
  }

  /// The chunk's images in lanes: kept ones, or loaded into the golden buffer.
  const uint8_t* image_lanes(const Workspace& workspace, const Chunk& chunk) const {
    if (chunk.list.empty() && !kept_images_.empty()) {
      return kept_images_[static_cast<size_t>(chunk.first / chunk_images())].data();
    }
    load_images(*images_, chunk, layouts_[0], lane_groups_, workspace.golden[0]);
    return workspace.golden[0];
  }

  void run_chunk(Workspace& workspace, const Chunk& chunk, int64_t golden_layers) const {
    const uint8_t* image = image_lanes(workspace, chunk);
    run_golden(workspace, chunk, image, golden_layers);
    // Jobs without faults first: their logits are those that the golden pass has just written.
    for (const bool faulty : {false, true}) {
      for (const Trial& trial : trials_) {
        if ((trial.first_layer < layer_count()) == faulty) {
          run_trial(trial, workspace, chunk, image);
        }
      }
    }
  }

  int64_t groups_of(const Chunk& chunk) const { return (chunk.count + kLanes - 1) / kLanes; }

  /// Steps before `layers`; a fused pool that begins before may write one layer further.
  void run_golden(Workspace& workspace, const Chunk& chunk, const uint8_t* image,
                  int64_t layers) const {
    // Trials with faults in activations may read what fusing would leave out.
    const bool plain =
        std::any_of(trials_.begin(), trials_.end(), [](const Trial& trial) { return trial.plain; });
    const auto source = [&](int64_t activation) -> const uint8_t* {
      return activation == 0 ? image : workspace.golden[activation];
    };
    for (const Step& step : plain ? program_.plain : program_.fused) {
      if (layer_of(step) >= layers) break;
      run_step(step, golden_, workspace, chunk, source, workspace.golden);
    }
  }

  template <typename Source>
  void run_step(const Step& step, const NetworkWeights& weights, Workspace& workspace,
                const Chunk& chunk, const Source& source, const ChunkBuffers& target) const {
    const net::Layer& layer = network_->layers[static_cast<size_t>(layer_of(step))];
    int64_t dst = layer.dst;
    if (const auto* plan = std::get_if<LayerPlan>(&step)) dst = plan->dst;
    StepBuffers buffers{.src = source(layer.src)};
    if (layer.skip >= 0) buffers.skip = source(layer.skip);
    if (dst >= 0) {
      buffers.dst = target[dst];
    } else {
      buffers.logits = workspace.logits.data();
    }
    runner_.run(step, weights, buffers, groups_of(chunk), workspace.acc.data());
  }

  void run_trial(const Trial& trial, Workspace& workspace, const Chunk& chunk,
                 const uint8_t* image) const {
    const Job& job = *trial.job;
    run_steps(trial, workspace, chunk, image, layer_count() - 1);
    const int64_t classes = network_->classes();
    std::copy_n(workspace.logits.begin(), chunk.count * classes,
                job.logits.begin() + chunk.first * classes);
  }

  /// From the trial's first layer (golden activations before it) up to `last`.
  void run_steps(const Trial& trial, Workspace& workspace, const Chunk& chunk, const uint8_t* image,
                 int64_t last) const {
    const fault::ActivationFaults* faults = trial.job->activations;
    if (faults != nullptr && faults->touches(0)) {
      const auto bytes = static_cast<size_t>(layouts_[0].bytes * lane_groups_);
      std::copy_n(image, bytes, workspace.faulty[0]);
      damage(*faults, 0, chunk, workspace.faulty[0]);
      image = workspace.faulty[0];
    }
    const auto source = [&](int64_t activation) -> const uint8_t* {
      if (activation == 0) return image;
      const bool golden = writer_[static_cast<size_t>(activation)] < trial.first_layer;
      return golden ? workspace.golden[activation] : workspace.faulty[activation];
    };
    for (const Step& step : trial.plain ? program_.plain : program_.fused) {
      const int64_t layer = layer_of(step);
      if (layer > last) break;
      if (layer < trial.first_layer) continue;
      run_step(step, *trial.weights, workspace, chunk, source, workspace.faulty);
      if (faults == nullptr) continue;
      const int64_t dst = network_->layers[static_cast<size_t>(layer)].dst;
      if (!network_->activations[static_cast<size_t>(dst)].is_float && faults->touches(dst)) {
        damage(*faults, dst, chunk, workspace.faulty[dst]);
      }
    }
  }

  void damage(const fault::ActivationFaults& faults, int64_t activation, const Chunk& chunk,
              uint8_t* buffer) const {
    const Layout& layout = layouts_[static_cast<size_t>(activation)];
    const net::Activation& a = network_->activations[static_cast<size_t>(activation)];
    const int64_t plane = layout.shape.height * layout.shape.width;
    thread_local std::vector<fault::CodeMask> masks;
    for (int64_t i = 0; i < chunk.count; ++i) {
      faults.masks(activation, chunk.image(i), masks);
      uint8_t* lanes = buffer + i / kLanes * layout.bytes;
      for (const fault::CodeMask& mask : masks) {
        const int64_t pixel = mask.element % plane;
        const int64_t element =
            layout.element(pixel / layout.shape.width, pixel % layout.shape.width) +
            mask.element / plane;
        uint8_t& byte = lanes[Layout::byte(element, i % kLanes)];
        byte = static_cast<uint8_t>(faulty(static_cast<int16_t>(byte - layout.zero), mask, a) +
                                    layout.zero);
      }
    }
  }

  /// Runs the job's steps up to layer `last` and shows every chunk's activations.
  template <typename Visit>
  void visit_activations(const Job& job, int64_t last, const Visit& visit) {
    Job copy = job;
    const Trial trial{.job = &copy, .weights = &slot(0), .plain = true};
    trial.weights->apply(copy);
    const UndoAtExit undo({&trial, 1});
    over_chunks(job, [&](Workspace& workspace, const Chunk& chunk) {
      const uint8_t* image = image_lanes(workspace, chunk);
      const auto bytes = static_cast<size_t>(layouts_[0].bytes * lane_groups_);
      std::copy_n(image, bytes, workspace.faulty[0]);
      run_steps(trial, workspace, chunk, image, last);
      visit(chunk, workspace.faulty);
    });
  }

  /// Calls body(image of the chunk, byte) for the activation's codes, in CHW order for each image.
  template <typename Body>
  void for_codes(const Chunk& chunk, const ChunkBuffers& buffers, int64_t activation,
                 const Body& body) const {
    const Layout& layout = layouts_[static_cast<size_t>(activation)];
    for (int64_t i = 0; i < chunk.count; ++i) {
      const uint8_t* lanes = buffers[activation] + i / kLanes * layout.bytes;
      for (int64_t c = 0; c < layout.shape.channels; ++c) {
        for (int64_t y = 0; y < layout.shape.height; ++y) {
          for (int64_t x = 0; x < layout.shape.width; ++x) {
            body(i, lanes[Layout::byte(layout.element(y, x) + c, i % kLanes)]);
          }
        }
      }
    }
  }

  void extract(const Chunk& chunk, const ChunkBuffers& buffers, int64_t activation,
               int16_t* out) const {
    const int zero = layouts_[static_cast<size_t>(activation)].zero;
    for_codes(chunk, buffers, activation,
              [&](int64_t, uint8_t byte) { *out++ = static_cast<int16_t>(byte - zero); });
  }

  int64_t zeros_in(const Chunk& chunk, const ChunkBuffers& buffers, int64_t activation) const {
    if (network_->activations[static_cast<size_t>(activation)].is_float) return 0;
    const uint8_t zero = layouts_[static_cast<size_t>(activation)].zero;
    int64_t zeros = 0;
    for_codes(chunk, buffers, activation,
              [&](int64_t, uint8_t byte) { zeros += byte == zero ? 1 : 0; });
    return zeros;
  }

  std::shared_ptr<const net::Network> network_;
  std::shared_ptr<const ImageCodes> images_;
  int64_t threads_;
  const Kernels& kernels_;
  std::vector<Layout> layouts_;
  int64_t lane_groups_;
  Program program_;
  Runner runner_;
  std::vector<int64_t> writer_;  ///< [activations]: the layer that writes it; -1 for the image.
  NetworkWeights golden_;
  int64_t max_trials_ = 1;
  std::vector<std::unique_ptr<NetworkWeights>> slots_;
  std::vector<std::unique_ptr<Workspace>> workspaces_;  ///< [threads]
  std::vector<AlignedBytes> kept_images_;               ///< [chunks], or empty.
  std::vector<Trial> trials_;
};

}  // namespace
}  // namespace lanes

std::unique_ptr<Engine> make_lanes_engine(std::shared_ptr<const net::Network> network,
                                          std::shared_ptr<const ImageCodes> images,
                                          const LanesOptions& options) {
  return std::make_unique<lanes::LanesEngine>(std::move(network), std::move(images), options);
}

}  // namespace flatenn::engine
