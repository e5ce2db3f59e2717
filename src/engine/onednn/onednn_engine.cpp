#include "engine/onednn/onednn_engine.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include "engine/arithmetic.h"
#include "engine/isa.h"
#include "engine/lanes/lanes_engine.h"
#include "engine/onednn/nhwc.h"
#include "engine/onednn/probe.h"
#include "engine/onednn/weights.h"
#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/base/parallel.h"

namespace flatenn::engine {
namespace onednn {
namespace {

using net::Activation;
using net::Layer;
using net::Shape;

/// What the busiest layer reads and writes for a chunk. Larger chunks leave L2, smaller ones read
/// all weights for few images, which AMX notices.
constexpr int64_t kChunkBytes = 3 * 1024 * 1024;
constexpr int64_t kFewestImages = 4;
constexpr int64_t kMostImages = 64;

std::string isa_text() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx2_vnni:
      return "avx2_vnni";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "avx512_core_bf16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "avx512_core_amx";
    default:
      return "isa" + std::to_string(static_cast<int>(dnnl::get_effective_cpu_isa()));
  }
}

bool has(dnnl::cpu_isa one) {
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  return (isa & static_cast<unsigned>(one)) == static_cast<unsigned>(one);
}

/// Whether oneDNN adds four products in 32 bits, rather than pairs in saturating 16.
bool has_vnni() { return has(dnnl::cpu_isa::avx512_core_vnni) || has(dnnl::cpu_isa::avx2_vnni); }

/// AVX2 code on a machine with AVX-512: oneDNN 3.7 then writes zeros or what it should, by what ran
/// before on the thread (grouped convolutions; right where AVX2 is all there is).
bool mixes_isas(const FusedLayer& layer) {
  return has(dnnl::cpu_isa::avx512_core) &&
         layer.implementation().find("avx2") != std::string::npos;
}

/// No implementation of a layer gives the contract's bits.
struct Inexact : Error {
  using Error::Error;
};

/// oneDNN's loops inside one worker stay on its thread.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

/// The layers of a network for one batch size; null for pools.
struct Program {
  std::vector<std::unique_ptr<FusedLayer>> layers;
  std::vector<std::unique_ptr<Packing>> packings;

  Program(const dnnl::engine& engine, const net::Network& network, int64_t batch) {
    const OneThread alone;
    for (const Layer& layer : network.layers) {
      layers.push_back(nullptr);
      packings.push_back(nullptr);
      if (layer.multiplies()) add_exact(engine, network, layer, batch);
    }
  }

  /// Fills the last place by the first implementation that gives the right outputs.
  void add_exact(const dnnl::engine& engine, const net::Network& network, const Layer& layer,
                 int64_t batch) {
    auto fused = std::make_unique<FusedLayer>(engine, network, layer, batch);
    std::string reasons;
    do {
      if (mixes_isas(*fused)) {
        reasons += "; " + fused->implementation() + " mixes instruction sets";
        continue;
      }
      try {
        auto packing = std::make_unique<Packing>(fused->weights_desc());
        const auto wrong = wrong_output(engine, *fused, *packing, network, layer, batch);
        if (!wrong) {
          layers.back() = std::move(fused);
          packings.back() = std::move(packing);
          return;
        }
        reasons += "; " + *wrong;
      } catch (const Error& unknown_layout) {
        reasons += std::string("; ") + unknown_layout.what();
      }
    } while (fused->next_implementation());
    throw Inexact("layer " + layer.name + reasons);
  }

  std::vector<const Packing*> packing_list() const {
    std::vector<const Packing*> result;
    for (const auto& packing : packings) result.push_back(packing.get());
    return result;
  }
};

/// Scratch memory of one thread.
struct Workspace {
  Workspace(const dnnl::engine& engine, const Program& program, const net::Network& network,
            int64_t batch)
      : stream(engine), logits(static_cast<size_t>(batch * network.classes())) {
    for (const Activation& a : network.activations) {
      golden.emplace_back(batch * a.shape.elements(), uint8_t{0});
      faulty.emplace_back(batch * a.shape.elements(), uint8_t{0});
    }
    for (const auto& layer : program.layers) {
      arguments.emplace_back();
      if (layer != nullptr) arguments.back().emplace(*layer);
    }
  }

  dnnl::stream stream;
  std::vector<AlignedBytes> golden;  ///< [activations][batch, NHWC]
  std::vector<AlignedBytes> faulty;
  const uint8_t* image = nullptr;
  std::vector<float> logits;
  std::vector<std::optional<FusedLayer::Arguments>> arguments;  ///< [layers]
};

/// The largest batch whose busiest layer fits, no larger than needed to keep all threads busy.
int64_t choose_batch(const net::Network& network, int64_t images, int64_t threads) {
  int64_t bytes = 1;
  for (const Layer& layer : network.layers) {
    const auto size = [&](int64_t a) {
      return network.activations[static_cast<size_t>(a)].shape.elements();
    };
    bytes = std::max(bytes, size(layer.src) + size(layer.dst));
  }
  const int64_t fit = std::clamp(kChunkBytes / bytes, kFewestImages, kMostImages);
  return std::clamp<int64_t>((images + threads - 1) / threads, 1, fit);
}

class OneDnnEngine final : public ChunkedEngine {
 public:
  OneDnnEngine(std::shared_ptr<const net::Network> network,
               std::shared_ptr<const ImageCodes> images, int64_t threads)
      : ChunkedEngine(std::move(network), std::move(images)),
        batch_(choose_batch(this->network(), this->images().count, threads)),
        program_(engine_, this->network(), batch_),
        golden_(this->network(), program_.packing_list()),
        kept_images_(this->images().count * this->images().shape.elements(), 0) {
    set_limits({.threads = threads,
                .chunk_images = batch_,
                .trials = std::clamp<int64_t>(kTrialBytes / golden_.bytes(), 1, kMostTrials)});
    for (int64_t i = 0; i < threads; ++i) {
      workspaces_.push_back(
          std::make_unique<Workspace>(engine_, program_, this->network(), batch_));
    }
    keep_images();
  }

  std::string name() const override { return "onednn/" + isa_text(); }

  std::optional<std::vector<double>> time_layers() override {
    std::vector<std::atomic<int64_t>> nanoseconds(network().layers.size());
    over_chunks({}, [&](int64_t worker, const Chunk& chunk) {
      load(worker, chunk);
      for (int64_t layer = 0; layer < layer_count(); ++layer) {
        const auto start = std::chrono::steady_clock::now();
        run_golden_layer(layer, worker, chunk);
        nanoseconds[static_cast<size_t>(layer)] +=
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

  void as_worker(const std::function<void()>& body) const override {
    const OneThread alone;
    body();
  }

  /// Images that follow one another are read in place; the last chunk's rest of a batch is not.
  void load(int64_t worker, const Chunk& chunk) override {
    Workspace& workspace = *workspaces_[static_cast<size_t>(worker)];
    const int64_t size = images().shape.elements();
    if (chunk.list.empty() && chunk.count == batch_) {
      workspace.image = kept_images_.data() + chunk.first * size;
      return;
    }
    for (int64_t i = 0; i < chunk.count; ++i) {
      std::copy_n(kept_images_.data() + chunk.image(i) * size, size,
                  workspace.golden[0].data() + i * size);
    }
    workspace.image = workspace.golden[0].data();
  }

  void run_golden(int64_t worker, const Chunk& chunk, int64_t layers, bool) override {
    for (int64_t layer = 0; layer < layers; ++layer) run_golden_layer(layer, worker, chunk);
  }

  void run_golden_layer(int64_t layer, int64_t worker, const Chunk& chunk) {
    Workspace& workspace = *workspaces_[static_cast<size_t>(worker)];
    const auto source = [&](int64_t activation) -> const uint8_t* {
      return activation == 0 ? workspace.image
                             : workspace.golden[static_cast<size_t>(activation)].data();
    };
    run_layer(layer, golden_, workspace, chunk, source, workspace.golden);
  }

  void run_trial(int64_t worker, const Chunk& chunk, const Trial& trial, int64_t last) override {
    Workspace& workspace = *workspaces_[static_cast<size_t>(worker)];
    const uint8_t* image = workspace.image;
    const fault::ActivationFaults* faults = trial.job->activations;
    if (trial.plain) {
      std::copy_n(image, chunk.count * images().shape.elements(), workspace.faulty[0].data());
      image = workspace.faulty[0].data();
      if (faults != nullptr) damage(*faults, 0, chunk, workspace);
    }
    const auto source = [&](int64_t activation) -> const uint8_t* {
      if (activation == 0) return image;
      auto& from = writer(activation) < trial.first_layer ? workspace.golden : workspace.faulty;
      return from[static_cast<size_t>(activation)].data();
    };
    const auto& weights = static_cast<const NetworkWeights&>(*trial.weights);
    for (int64_t layer = trial.first_layer; layer <= last; ++layer) {
      run_layer(layer, weights, workspace, chunk, source, workspace.faulty);
      const int64_t dst = network().layers[static_cast<size_t>(layer)].dst;
      if (faults != nullptr && !activation(dst).is_float) damage(*faults, dst, chunk, workspace);
    }
  }

  template <typename Source>
  void run_layer(int64_t index, const NetworkWeights& weights, Workspace& workspace,
                 const Chunk& chunk, const Source& source,
                 std::vector<AlignedBytes>& target) const {
    const auto at = static_cast<size_t>(index);
    const Layer& layer = network().layers[at];
    uint8_t* codes = target[static_cast<size_t>(layer.dst)].data();
    if (!layer.multiplies()) {
      run_pool(network(), layer, chunk.count, source(layer.src), codes);
      return;
    }
    const bool is_float = activation(layer.dst).is_float;
    if (layer.skip >= 0) {
      std::copy_n(source(layer.skip), chunk.count * activation(layer.dst).shape.elements(), codes);
    }
    program_.layers[at]->run(workspace.stream, *workspace.arguments[at],
                             {.src = source(layer.src),
                              .dst = is_float ? static_cast<void*>(workspace.logits.data()) : codes,
                              .weights = weights.packed(index),
                              .bias = weights.bias(index)});
  }

  std::span<const float> logits(int64_t worker) const override {
    return workspaces_[static_cast<size_t>(worker)]->logits;
  }

  void read_codes(int64_t worker, const Chunk& chunk, int64_t index, int16_t* out) const override {
    const auto& faulty = workspaces_[static_cast<size_t>(worker)]->faulty;
    const uint8_t* buffer = faulty[static_cast<size_t>(index)].data();
    const Activation& a = activation(index);
    for (int64_t i = 0; i < chunk.count; ++i) {
      for (int64_t e = 0; e < a.shape.elements(); ++e) {
        *out++ = code_of(a, buffer[nhwc_place(a.shape, i, e)]);
      }
    }
  }

  void damage(const fault::ActivationFaults& faults, int64_t index, const Chunk& chunk,
              Workspace& workspace) const {
    if (!faults.touches(index)) return;
    const Activation& a = activation(index);
    uint8_t* buffer = workspace.faulty[static_cast<size_t>(index)].data();
    thread_local std::vector<fault::CodeMask> masks;
    for (int64_t i = 0; i < chunk.count; ++i) {
      faults.masks(index, chunk.image(i), masks);
      for (const fault::CodeMask& mask : masks) {
        uint8_t& byte = buffer[nhwc_place(a.shape, i, mask.element)];
        byte = static_cast<uint8_t>(faulty(code_of(a, byte), mask, a));
      }
    }
  }

  void keep_images() {
    const Shape& shape = images().shape;
    const int64_t size = shape.elements();
    parallel_for(images().count, limits().threads, [&](int64_t i) {
      uint8_t* image = kept_images_.data() + i * size;
      for (int64_t e = 0; e < size; ++e) {
        image[nhwc_place(shape, 0, e)] =
            static_cast<uint8_t>(images().codes[static_cast<size_t>(i * size + e)]);
      }
    });
  }

  const Activation& activation(int64_t index) const {
    return network().activations[static_cast<size_t>(index)];
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  int64_t batch_;
  Program program_;
  NetworkWeights golden_;
  AlignedBytes kept_images_;                            ///< [images, NHWC]
  std::vector<std::unique_ptr<Workspace>> workspaces_;  ///< [threads]
};

}  // namespace
}  // namespace onednn

std::optional<std::string> onednn_unfit(const net::Network& network) {
  // Without VNNI oneDNN halves the weights of layers with signed input, and every network has one.
  if (!onednn::has_vnni()) return "no VNNI";
  if (isa_is_lowered()) return "FLATENN_MAX_ISA speaks of own kernels only";
  for (const net::Layer& layer : network.layers) {
    const net::Activation& dst = network.activations[static_cast<size_t>(layer.dst)];
    if (dst.is_float &&
        (layer.skip >= 0 || layer.relu || dst.shape.elements() > dst.shape.channels)) {
      return "logits with a residual, ReLU or extent";
    }
  }
  return {};
}

std::unique_ptr<Engine> make_onednn_engine(std::shared_ptr<const net::Network> network,
                                           std::shared_ptr<const ImageCodes> images,
                                           int64_t threads) {
  if (onednn_unfit(*network)) {
    return make_lanes_engine(std::move(network), std::move(images), {.threads = threads});
  }
  try {
    return std::make_unique<onednn::OneDnnEngine>(network, images, resolve_threads(threads));
  } catch (const onednn::Inexact& inexact) {
    log::warn("onednn: own kernels run ", network->name, " instead: ", inexact.what());
    return make_lanes_engine(std::move(network), std::move(images), {.threads = threads});
  } catch (const dnnl::error& error) {
    throw Error(std::string("onednn: ") + error.what());
  }
}

}  // namespace flatenn::engine
