#include "engine/lanes/lanes_engine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <utility>

#include "engine/arithmetic.h"
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
/// Images are kept in lanes from their second use on where that takes no more than this.
constexpr int64_t kKeptImageBytes = int64_t{512} << 20;

class LanesEngine final : public ChunkedEngine {
 public:
  LanesEngine(std::shared_ptr<const net::Network> network, std::shared_ptr<const ImageCodes> images,
              const LanesOptions& options)
      : ChunkedEngine(std::move(network), std::move(images)),
        kernels_(kernels_for(options.isa ? *options.isa : best_isa())),
        layouts_(make_layouts(this->network())),
        threads_(resolve_threads(options.threads)),
        lane_groups_(options.lane_groups > 0 ? options.lane_groups : choose_lane_groups()),
        program_(make_program(this->network(), layouts_, lane_groups_,
                              {.winograd = options.winograd_channels,
                               .tiles = kernels_.isa >= Isa::kAmx || options.emulate_tiles
                                            ? options.tile_channels
                                            : FewestChannels::kNever})),
        runner_(this->network(), layouts_, kernels_),
        golden_(this->network(), program_.plain),
        current_images_(static_cast<size_t>(threads_)) {
    const int64_t trials = options.trials_a_chunk > 0
                               ? options.trials_a_chunk
                               : std::clamp<int64_t>(kTrialBytes / golden_.bytes(), 1, kMostTrials);
    set_limits({.threads = threads_, .chunk_images = lane_groups_ * kLanes, .trials = trials});
    for (int64_t i = 0; i < threads_; ++i) {
      workspaces_.push_back(
          std::make_unique<Workspace>(program_, layouts_, lane_groups_, this->network().classes()));
    }
    const int64_t chunks =
        (this->images().count + limits().chunk_images - 1) / limits().chunk_images;
    if (chunks * layouts_[0].bytes * lane_groups_ <= kKeptImageBytes) {
      kept_images_.resize(static_cast<size_t>(chunks));
    }
  }

  std::string name() const override { return std::string("lanes/") + kernels_.name; }

  std::optional<std::vector<double>> time_layers() override {
    std::vector<std::atomic<int64_t>> nanoseconds(network().layers.size());
    over_chunks({}, [&](int64_t worker, const Chunk& chunk) {
      load(worker, chunk);
      for (const Step& step : program_.fused) {
        const auto start = std::chrono::steady_clock::now();
        run_golden_step(step, worker, chunk);
        nanoseconds[static_cast<size_t>(layer_of(step))] +=
            std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
      }
    });
    std::vector<double> seconds;
    for (const auto& count : nanoseconds) seconds.push_back(1e-9 * static_cast<double>(count));
    return seconds;
  }

 private:
  std::unique_ptr<TrialWeights> make_weights() const override {
    return std::make_unique<NetworkWeights>(golden_);
  }

  /// Kept lanes, or lanes filled into the golden buffer.
  void load(int64_t worker, const Chunk& chunk) override {
    const uint8_t*& image = current_images_[static_cast<size_t>(worker)];
    if (chunk.list.empty() && !kept_images_.empty()) {
      image = kept_images(chunk);
      if (image != nullptr) return;
    }
    Workspace& workspace = *workspaces_[static_cast<size_t>(worker)];
    load_images(images(), chunk, layouts_[0], lane_groups_, workspace.golden[0]);
    image = workspace.golden[0];
  }

  void run_golden(int64_t worker, const Chunk& chunk, int64_t layers, bool plain) override {
    for (const Step& step : plain ? program_.plain : program_.fused) {
      if (layer_of(step) >= layers) break;
      run_golden_step(step, worker, chunk);
    }
  }

  void run_trial(int64_t worker, const Chunk& chunk, const Trial& trial, int64_t last) override {
    Workspace& workspace = *workspaces_[static_cast<size_t>(worker)];
    const uint8_t* image = current_images_[static_cast<size_t>(worker)];
    const fault::ActivationFaults* faults = trial.job->activations;
    if (trial.plain) {
      std::copy_n(image, layouts_[0].bytes * lane_groups_, workspace.faulty[0]);
      image = workspace.faulty[0];
      if (faults != nullptr && faults->touches(0)) damage(*faults, 0, chunk, workspace.faulty[0]);
    }
    const auto source = [&](int64_t activation) -> const uint8_t* {
      if (activation == 0) return image;
      return writer(activation) < trial.first_layer ? workspace.golden[activation]
                                                    : workspace.faulty[activation];
    };
    const auto& weights = static_cast<const NetworkWeights&>(*trial.weights);
    for (const Step& step : trial.plain ? program_.plain : program_.fused) {
      const int64_t layer = layer_of(step);
      if (layer > last) break;
      if (layer < trial.first_layer) continue;
      run_step(step, weights, workspace, chunk, source, workspace.faulty);
      if (faults == nullptr) continue;
      const int64_t dst = network().layers[static_cast<size_t>(layer)].dst;
      if (!network().activations[static_cast<size_t>(dst)].is_float && faults->touches(dst)) {
        damage(*faults, dst, chunk, workspace.faulty[dst]);
      }
    }
  }

  std::span<const float> logits(int64_t worker) const override {
    return workspaces_[static_cast<size_t>(worker)]->logits;
  }

  void read_codes(int64_t worker, const Chunk& chunk, int64_t activation,
                  int16_t* out) const override {
    const uint8_t* buffer = workspaces_[static_cast<size_t>(worker)]->faulty[activation];
    const Layout& layout = layouts_[static_cast<size_t>(activation)];
    for (int64_t i = 0; i < chunk.count; ++i) {
      const uint8_t* lanes = buffer + i / kLanes * layout.bytes;
      for (int64_t c = 0; c < layout.shape.channels; ++c) {
        for (int64_t y = 0; y < layout.shape.height; ++y) {
          for (int64_t x = 0; x < layout.shape.width; ++x) {
            const uint8_t byte = lanes[Layout::byte(layout.element(y, x) + c, i % kLanes)];
            *out++ = static_cast<int16_t>(byte - layout.zero);
          }
        }
      }
    }
  }

  int64_t choose_lane_groups() const {
    int64_t bytes = 0;
    for (const Layout& layout : layouts_) bytes += layout.bytes;
    const int64_t fit = std::clamp<int64_t>(kChunkBytes / bytes, 1, kMostLaneGroups);
    const int64_t needed = (images().count + kLanes * threads_ - 1) / (kLanes * threads_);
    return std::max<int64_t>(1, std::min(fit, needed));
  }

  /// The chunk's lanes, null on its first use: a run with few images a trial passes over all of
  /// them once only. A pass gives a chunk to one worker, so workers do not meet here.
  const uint8_t* kept_images(const Chunk& chunk) {
    KeptImages& kept = kept_images_[static_cast<size_t>(chunk.first / limits().chunk_images)];
    if (!std::exchange(kept.used, true)) return nullptr;
    if (!kept.lanes) {
      kept.lanes.emplace(layouts_[0].bytes * lane_groups_, layouts_[0].zero);
      load_images(images(), chunk, layouts_[0], lane_groups_, kept.lanes->data());
    }
    return kept.lanes->data();
  }

  void run_golden_step(const Step& step, int64_t worker, const Chunk& chunk) {
    Workspace& workspace = *workspaces_[static_cast<size_t>(worker)];
    const uint8_t* image = current_images_[static_cast<size_t>(worker)];
    const auto source = [&](int64_t activation) -> const uint8_t* {
      return activation == 0 ? image : workspace.golden[activation];
    };
    run_step(step, golden_, workspace, chunk, source, workspace.golden);
  }

  template <typename Source>
  void run_step(const Step& step, const NetworkWeights& weights, Workspace& workspace,
                const Chunk& chunk, const Source& source, const ChunkBuffers& target) const {
    const net::Layer& layer = network().layers[static_cast<size_t>(layer_of(step))];
    const int64_t dst = dst_of(step, network());
    StepBuffers buffers{.src = source(layer.src)};
    if (layer.skip >= 0) buffers.skip = source(layer.skip);
    if (dst >= 0) {
      buffers.dst = target[dst];
    } else {
      buffers.logits = workspace.logits.data();
    }
    const int64_t groups = (chunk.count + kLanes - 1) / kLanes;
    runner_.run(step, weights, buffers, groups, workspace.scratch);
  }

  void damage(const fault::ActivationFaults& faults, int64_t activation, const Chunk& chunk,
              uint8_t* buffer) const {
    const Layout& layout = layouts_[static_cast<size_t>(activation)];
    const net::Activation& a = network().activations[static_cast<size_t>(activation)];
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

  struct KeptImages {
    bool used = false;
    std::optional<AlignedBytes> lanes;
  };

  const Kernels& kernels_;
  std::vector<Layout> layouts_;
  int64_t threads_;
  int64_t lane_groups_;
  Program program_;
  Runner runner_;
  NetworkWeights golden_;
  std::vector<const uint8_t*> current_images_;          ///< [threads]: in lanes.
  std::vector<std::unique_ptr<Workspace>> workspaces_;  ///< [threads]
  std::vector<KeptImages> kept_images_;                 ///< [chunks], or empty.
};

}  // namespace
}  // namespace lanes

std::unique_ptr<Engine> make_lanes_engine(std::shared_ptr<const net::Network> network,
                                          std::shared_ptr<const ImageCodes> images,
                                          const LanesOptions& options) {
  return std::make_unique<lanes::LanesEngine>(std::move(network), std::move(images), options);
}

}  // namespace flatenn::engine
