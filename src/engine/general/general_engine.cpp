#include "engine/general/general_engine.h"

#include <algorithm>
#include <atomic>

#include "engine/arithmetic.h"
#include "engine/chunked/aligned_bytes.h"
#include "engine/chunked/chunked_engine.h"
#include "engine/general/steps.h"
#include "engine/general/weights.h"
#include "engine/process_time.h"
#include "flatenn/base/parallel.h"

namespace flatenn::engine {
namespace general {
namespace {

using net::Activation;
using net::Layer;

/// What the busiest layer reads and writes for a chunk. Larger chunks leave the caches, smaller
/// ones read all weights for few pixels.
constexpr int64_t kChunkBytes = int64_t{6} << 20;
constexpr int64_t kFewestImages = 2;
constexpr int64_t kMostImages = 64;

/// Scratch memory of one thread.
template <class Store>
struct Workspace {
  using Code = typename Store::Code;
  using Buffer = AlignedVector<Code>;
  std::vector<Buffer> golden;  ///< [activations], empty for float logits.
  std::vector<Buffer> faulty;
  std::vector<float> logits;

  Workspace(const net::Network& network, const std::vector<Plane>& planes, int64_t images)
      : logits(static_cast<size_t>(images * network.classes())) {
    for (size_t a = 0; a < planes.size(); ++a) {
      const Plane& plane = planes[a];
      const int64_t codes = network.activations[a].is_float ? 0 : images * plane.image();
      for (auto* buffers : {&golden, &faulty}) {
        buffers->emplace_back(static_cast<size_t>(codes + plane.channels + kSlack),
                              static_cast<Code>(plane.zero()));
      }
    }
  }
};

int64_t choose_chunk(const net::Network& network, const std::vector<Plane>& planes, int64_t images,
                     int64_t threads, int64_t code_bytes) {
  int64_t codes = 1;
  for (const Layer& layer : network.layers) {
    codes = std::max(codes, planes[static_cast<size_t>(layer.src)].image() +
                                planes[static_cast<size_t>(layer.dst)].image());
  }
  const int64_t fit = std::clamp(kChunkBytes / (codes * code_bytes), kFewestImages, kMostImages);
  return std::clamp<int64_t>((images + threads - 1) / threads, 1, fit);
}

template <class Store>
Layout make_layout(const net::Network& network, const std::vector<Plane>& planes, int64_t images) {
  Layout layout{.planes = planes, .products = {}, .users = {}};
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const Layer& layer = network.layers[i];
    layout.products.push_back(
        layer.multiplies() ? make_product<Store>(network, layer, planes, images) : Product{});
    layout.users.push_back({static_cast<int64_t>(i)});
    if (layer.twin >= 0) {
      layout.users[static_cast<size_t>(layer.twin)].push_back(static_cast<int64_t>(i));
    }
  }
  return layout;
}

template <class Store>
class GeneralEngine final : public ChunkedEngine {
 public:
  GeneralEngine(std::shared_ptr<const net::Network> network,
                std::shared_ptr<const ImageCodes> images, const GeneralOptions& options,
                const Kernels<Store>& kernels)
      : GeneralEngine(std::move(network), std::move(images), options, kernels,
                      resolve_threads(options.threads)) {}

  std::string name() const override { return std::string("general/") + isa_name(kernels_.isa); }

  std::optional<std::vector<double>> time_layers() override {
    std::vector<std::atomic<double>> seconds(network().layers.size());
    over_chunks({}, [&](int64_t worker, const Chunk& chunk) {
      load(worker, chunk);
      for (int64_t layer = 0; layer < layer_count(); ++layer) {
        const double start = thread_seconds();
        run_golden_layer(layer, worker, chunk);
        seconds[static_cast<size_t>(layer)] += thread_seconds() - start;
      }
    });
    return std::vector<double>(seconds.begin(), seconds.end());
  }

 private:
  using Code = typename Store::Code;
  using Buffer = AlignedVector<Code>;
  using Weights = GeneralWeights<Store>;
  using Space = Workspace<Store>;

  GeneralEngine(std::shared_ptr<const net::Network> network,
                std::shared_ptr<const ImageCodes> images, const GeneralOptions& options,
                const Kernels<Store>& kernels, int64_t threads)
      : ChunkedEngine(std::move(network), std::move(images)),
        kernels_(kernels),
        planes_(planes_of<Store>(this->network())),
        chunk_images_(options.chunk_images > 0
                          ? options.chunk_images
                          : choose_chunk(this->network(), planes_, this->images().count, threads,
                                         sizeof(Code))),
        layout_(make_layout<Store>(this->network(), planes_, chunk_images_)),
        golden_(this->network(), layout_) {
    const int64_t trials = options.trials_a_chunk > 0
                               ? options.trials_a_chunk
                               : std::clamp<int64_t>(kTrialBytes / golden_.bytes(), 1, kMostTrials);
    set_limits({.threads = threads, .chunk_images = chunk_images_, .trials = trials});
    for (int64_t i = 0; i < threads; ++i) {
      workspaces_.push_back(std::make_unique<Space>(this->network(), planes_, chunk_images_));
    }
  }

  std::unique_ptr<TrialWeights> make_weights() const override {
    return std::make_unique<Weights>(golden_);
  }

  void load(int64_t worker, const Chunk& chunk) override {
    Code* const stored = workspace(worker).golden[0].data();
    const Plane& plane = planes_[0];
    const net::Shape& shape = plane.shape;
    for (int64_t i = 0; i < chunk.count; ++i) {
      const int8_t* codes = images().codes.data() + chunk.image(i) * shape.elements();
      for (int64_t c = 0; c < shape.channels; ++c) {
        for (int64_t y = 0; y < shape.height; ++y, codes += shape.width) {
          load_row(codes, stored + plane.pixel(i, y, 0) + c);
        }
      }
    }
  }

  /// A row of one channel of the image.
  void load_row(const int8_t* codes, Code* __restrict to) const {
    const Plane& plane = planes_[0];
    const int64_t step = plane.channels;
    const int64_t width = plane.shape.width;
    const int base = plane.base;
    if (network().input().is_signed) {
      for (int64_t x = 0; x < width; ++x) to[x * step] = static_cast<Code>(codes[x] - base);
    } else {
      for (int64_t x = 0; x < width; ++x) {
        to[x * step] = static_cast<Code>(static_cast<uint8_t>(codes[x]) - base);
      }
    }
  }

  void run_golden(int64_t worker, const Chunk& chunk, int64_t layers, bool) override {
    for (int64_t layer = 0; layer < layers; ++layer) run_golden_layer(layer, worker, chunk);
  }

  void run_golden_layer(int64_t layer, int64_t worker, const Chunk& chunk) {
    Space& space = workspace(worker);
    const auto source = [&](int64_t activation) -> const Code* {
      return space.golden[static_cast<size_t>(activation)].data();
    };
    run_layer(layer, golden_, chunk.count, source, space.golden, space.logits);
  }

  void run_trial(int64_t worker, const Chunk& chunk, const Trial& trial, int64_t last) override {
    Space& space = workspace(worker);
    const fault::ActivationFaults* faults = trial.job->activations;
    if (trial.plain) {
      space.faulty[0] = space.golden[0];
      if (faults != nullptr) damage(*faults, 0, chunk, space.faulty[0].data());
    }
    const auto source = [&](int64_t activation) -> const Code* {
      const bool from_golden =
          activation == 0 ? !trial.plain : writer(activation) < trial.first_layer;
      return (from_golden ? space.golden : space.faulty)[static_cast<size_t>(activation)].data();
    };
    const auto& weights = static_cast<const Weights&>(*trial.weights);
    for (int64_t layer = trial.first_layer; layer <= last; ++layer) {
      run_layer(layer, weights, chunk.count, source, space.faulty, space.logits);
      const int64_t dst = network().layers[static_cast<size_t>(layer)].dst;
      if (faults != nullptr && !activation(dst).is_float) {
        damage(*faults, dst, chunk, space.faulty[static_cast<size_t>(dst)].data());
      }
    }
    const bool coded = !network().logits().is_float && last == layer_count() - 1;
    if (coded) set_logits(chunk.count, source(network().layers.back().dst), space.logits);
  }

  template <typename Source>
  void run_layer(int64_t index, const Weights& weights, int64_t images, const Source& source,
                 std::vector<Buffer>& target, std::vector<float>& logits) const {
    const Layer& layer = network().layers[static_cast<size_t>(index)];
    const bool is_float = activation(layer.dst).is_float;
    Code* dst = target[static_cast<size_t>(layer.dst)].data();
    float* out = is_float ? logits.data() : nullptr;
    if (layer.multiplies()) {
      const ProductOperands<Store> operands{.src = source(layer.src),
                                            .skip = layer.skip >= 0 ? source(layer.skip) : nullptr,
                                            .dst = dst,
                                            .logits = out,
                                            .words = weights.words(index),
                                            .start = weights.start(index),
                                            .bias = weights.bias(index),
                                            .whole_bias = weights.whole_bias(index)};
      run_product(kernels_, layout_.products[static_cast<size_t>(index)], images, operands);
      return;
    }
    Operands<Store> operands{.sources = {}, .dst = dst, .logits = out};
    for (const int64_t input : layer.inputs()) operands.sources.push_back(source(input));
    run_step(kernels_, network(), layer, planes_, images, operands);
  }

  /// Logits that are codes, as what they stand for.
  void set_logits(int64_t images, const Code* codes, std::vector<float>& logits) const {
    const Activation& last = network().logits();
    const Plane& plane = planes_[static_cast<size_t>(network().layers.back().dst)];
    const int64_t classes = network().classes();
    for (int64_t i = 0; i < images; ++i) {
      for (int64_t c = 0; c < classes; ++c) {
        logits[static_cast<size_t>(i * classes + c)] =
            last.scale * static_cast<float>(codes[plane.place(i, c)] + plane.least);
      }
    }
  }

  std::span<const float> logits(int64_t worker) const override {
    return workspaces_[static_cast<size_t>(worker)]->logits;
  }

  void read_codes(int64_t worker, const Chunk& chunk, int64_t index, int16_t* out) const override {
    const Code* codes =
        workspaces_[static_cast<size_t>(worker)]->faulty[static_cast<size_t>(index)].data();
    const Activation& a = activation(index);
    const Plane& plane = planes_[static_cast<size_t>(index)];
    for (int64_t i = 0; i < chunk.count; ++i) {
      for (int64_t e = 0; e < a.shape.elements(); ++e) {
        *out++ = static_cast<int16_t>(codes[plane.place(i, e)] + plane.base);
      }
    }
  }

  void damage(const fault::ActivationFaults& faults, int64_t index, const Chunk& chunk,
              Code* codes) const {
    if (!faults.touches(index)) return;
    const Activation& a = activation(index);
    const Plane& plane = planes_[static_cast<size_t>(index)];
    thread_local std::vector<fault::CodeMask> masks;
    for (int64_t i = 0; i < chunk.count; ++i) {
      faults.masks(index, chunk.image(i), masks);
      for (const fault::CodeMask& mask : masks) {
        Code& stored = codes[plane.place(i, mask.element)];
        const auto code = static_cast<int16_t>(stored + plane.base);
        stored = static_cast<Code>(faulty(code, mask, a) - plane.base);
      }
    }
  }

  Space& workspace(int64_t worker) { return *workspaces_[static_cast<size_t>(worker)]; }
  const Activation& activation(int64_t index) const {
    return network().activations[static_cast<size_t>(index)];
  }

  const Kernels<Store>& kernels_;
  std::vector<Plane> planes_;
  int64_t chunk_images_;
  Layout layout_;
  Weights golden_;
  std::vector<std::unique_ptr<Space>> workspaces_;  ///< [threads]
};

}  // namespace
}  // namespace general

std::unique_ptr<Engine> make_general_engine(std::shared_ptr<const net::Network> network,
                                            std::shared_ptr<const ImageCodes> images,
                                            const GeneralOptions& options) {
  using namespace general;
  if (const Kernels<Bytes>* kernels = byte_kernels(options.isa)) {
    return std::make_unique<GeneralEngine<Bytes>>(std::move(network), std::move(images), options,
                                                  *kernels);
  }
  return std::make_unique<GeneralEngine<Words>>(std::move(network), std::move(images), options,
                                                word_kernels(options.isa));
}

}  // namespace flatenn::engine
