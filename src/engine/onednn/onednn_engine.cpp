#include "engine/onednn/onednn_engine.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/arithmetic.h"
#include "engine/isa.h"
#include "engine/job_checks.h"
#include "engine/lanes/lanes_engine.h"
#include "engine/onednn/product.h"
#include "flatenn/base/error.h"
#include "flatenn/base/parallel.h"

namespace flatenn::engine {
namespace onednn {
namespace {

using net::Activation;
using net::Layer;
using net::Shape;

/// Images handed to oneDNN at once, where there are as many.
constexpr int64_t kMostImages = 64;

std::string isa_text() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "sse41";
    case dnnl::cpu_isa::avx2:
      return "avx2";
    case dnnl::cpu_isa::avx2_vnni:
      return "avx2_vnni";
    case dnnl::cpu_isa::avx512_core:
      return "avx512_core";
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

/// Whether oneDNN adds four products in 32 bits, rather than pairs in saturating 16.
bool has_vnni() {
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto has = [&](dnnl::cpu_isa one) {
    return (isa & static_cast<unsigned>(one)) == static_cast<unsigned>(one);
  };
  return has(dnnl::cpu_isa::avx512_core_vnni) || has(dnnl::cpu_isa::avx2_vnni);
}

/// One layer of the job at hand: values are changed in place and the product packed again.
struct LayerState {
  std::optional<Product> product;
  std::vector<int8_t> values;
  std::vector<int32_t> bias;
  std::vector<float> multiplier;
  bool changed = false;
};

class OneDnnEngine final : public Engine {
 public:
  OneDnnEngine(std::shared_ptr<const net::Network> network,
               std::shared_ptr<const ImageCodes> images, int64_t threads)
      : network_(std::move(network)),
        images_(std::move(images)),
        threads_(static_cast<int>(resolve_threads(threads))),
        batch_(std::min(kMostImages, images_->count)),
        buffers_(network_->activations.size()) {
    for (const Layer& layer : network_->layers) layers_.push_back(make_layer(layer));
    size_t sums = 0;
    for (size_t a = 0; a < buffers_.size(); ++a) {
      const Shape& shape = network_->activations[a].shape;
      buffers_[a].resize(static_cast<size_t>(batch_ * shape.elements()));
      sums = std::max(sums, buffers_[a].size());
    }
    sums_.resize(sums);
    logits_.resize(static_cast<size_t>(batch_ * network_->classes()));
  }

  std::string name() const override { return "onednn/" + isa_text(); }

  void run(std::span<Job> jobs) override {
    const int64_t classes = network_->classes();
    for (Job& job : jobs) {
      check_job(*network_, *images_, job);
      over_batches(job, static_cast<int64_t>(layers_.size()), [&](int64_t first, int64_t count) {
        std::copy_n(logits_.begin(), count * classes, job.logits.begin() + first * classes);
      });
    }
  }

  std::vector<int16_t> codes(const Job& job, int64_t activation) override {
    check_codes_request(*network_, *images_, job, activation);
    const int64_t size = network_->activations[static_cast<size_t>(activation)].shape.elements();
    std::vector<int16_t> result(static_cast<size_t>(job_images(job, *images_) * size));
    over_batches(job, static_cast<int64_t>(layers_.size()), [&](int64_t first, int64_t count) {
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t e = 0; e < size; ++e) {
          result[static_cast<size_t>((first + i) * size + e)] = code_at(activation, i, e);
        }
      }
    });
    return result;
  }

 private:
  const Activation& activation(int64_t index) const {
    return network_->activations[static_cast<size_t>(index)];
  }

  LayerState make_layer(const Layer& layer) {
    LayerState state;
    if (!layer.multiplies()) return state;
    for (const int8_t code : layer.weights.codes) {
      state.values.push_back(static_cast<int8_t>(layer.weights.value(code)));
    }
    state.bias = layer.bias;
    state.multiplier = net::multipliers(*network_, layer);
    state.product.emplace(context_, *network_, layer, batch_);
    state.product->pack(state.values);
    return state;
  }

  /// Byte of element `e` (CHW) of image `i` in an NHWC buffer.
  static int64_t place(const Shape& shape, int64_t i, int64_t e) {
    const int64_t plane = shape.height * shape.width;
    return (i * plane + e % plane) * shape.channels + e / plane;
  }

  int16_t code_at(int64_t index, int64_t image, int64_t element) const {
    const uint8_t byte =
        buffers_[static_cast<size_t>(index)]
                [static_cast<size_t>(place(activation(index).shape, image, element))];
    return activation(index).is_signed ? static_cast<int8_t>(byte) : byte;
  }

  /// A job's changes, taken back also where a pass throws.
  class Applied {
   public:
    Applied(OneDnnEngine& engine, const Job& job) : engine_(engine), job_(job) {
      engine_.apply(job);
    }
    ~Applied() { engine_.undo(job_); }
    Applied(const Applied&) = delete;
    Applied& operator=(const Applied&) = delete;

   private:
    OneDnnEngine& engine_;
    const Job& job_;
  };

  void apply(const Job& job) {
    for (const WeightChange& change : job.weights) {
      LayerState& state = layers_[static_cast<size_t>(change.layer)];
      const net::Weights& w = network_->layers[static_cast<size_t>(change.layer)].weights;
      state.values[static_cast<size_t>(change.element)] = static_cast<int8_t>(w.value(change.code));
      state.changed = true;
    }
    for (const BiasChange& change : job.biases) {
      layers_[static_cast<size_t>(change.layer)].bias[static_cast<size_t>(change.channel)] =
          change.value;
    }
    pack_changed();
  }

  void undo(const Job& job) {
    for (const WeightChange& change : job.weights) {
      const net::Weights& w = network_->layers[static_cast<size_t>(change.layer)].weights;
      const auto element = static_cast<size_t>(change.element);
      LayerState& state = layers_[static_cast<size_t>(change.layer)];
      state.values[element] = static_cast<int8_t>(w.value(w.codes[element]));
      state.changed = true;
    }
    for (const BiasChange& change : job.biases) {
      const auto layer = static_cast<size_t>(change.layer);
      const auto channel = static_cast<size_t>(change.channel);
      layers_[layer].bias[channel] = network_->layers[layer].bias[channel];
    }
    pack_changed();
  }

  void pack_changed() {
    for (LayerState& state : layers_) {
      if (state.changed) state.product->pack(state.values);
      state.changed = false;
    }
  }

  template <typename Done>
  void over_batches(const Job& job, int64_t layers, const Done& done) {
    omp_set_num_threads(threads_);
    const Applied applied(*this, job);
    const int64_t count = job_images(job, *images_);
    for (int64_t first = 0; first < count; first += batch_) {
      const int64_t batch = std::min(batch_, count - first);
      load(job, first, batch);
      for (int64_t l = 0; l < layers; ++l) run_layer(job, l, first, batch);
      done(first, batch);
    }
  }

  static int64_t image_of(const Job& job, int64_t i) {
    return job.images.empty() ? i : job.images[static_cast<size_t>(i)];
  }

  void load(const Job& job, int64_t first, int64_t batch) {
    const Shape& shape = images_->shape;
    for (int64_t i = 0; i < batch; ++i) {
      const int64_t at = image_of(job, first + i) * shape.elements();
      for (int64_t e = 0; e < shape.elements(); ++e) {
        buffers_[0][static_cast<size_t>(place(shape, i, e))] =
            static_cast<uint8_t>(images_->codes[static_cast<size_t>(at + e)]);
      }
    }
    damage(job, 0, first, batch);
  }

  void damage(const Job& job, int64_t index, int64_t first, int64_t batch) {
    if (job.activations == nullptr || !job.activations->touches(index)) return;
    const Activation& a = activation(index);
    for (int64_t i = 0; i < batch; ++i) {
      job.activations->masks(index, image_of(job, first + i), masks_);
      for (const fault::CodeMask& mask : masks_) {
        uint8_t& byte = buffers_[static_cast<size_t>(index)]
                                [static_cast<size_t>(place(a.shape, i, mask.element))];
        byte = static_cast<uint8_t>(faulty(code_at(index, i, mask.element), mask, a));
      }
    }
  }

  void run_layer(const Job& job, int64_t index, int64_t first, int64_t batch) {
    const Layer& layer = network_->layers[static_cast<size_t>(index)];
    if (layer.multiplies()) {
      multiply(layer, layers_[static_cast<size_t>(index)], batch);
    } else {
      pool(layer, batch);
    }
    if (!activation(layer.dst).is_float) damage(job, layer.dst, first, batch);
  }

  void multiply(const Layer& layer, LayerState& state, int64_t batch) {
    state.product->run(buffers_[static_cast<size_t>(layer.src)].data(), sums_.data());
    const Activation& dst = activation(layer.dst);
    const int64_t channels = dst.shape.channels;
    const int64_t pixels = dst.shape.height * dst.shape.width;
    const float skip = net::skip_multiplier(*network_, layer);
    parallel_for(batch, threads_, [&](int64_t i) {
      for (int64_t p = i * pixels; p < (i + 1) * pixels; ++p) {
        for (int64_t c = 0; c < channels; ++c) {
          const auto at = static_cast<size_t>(p * channels + c);
          float y = scaled(sums_[at], state.bias[static_cast<size_t>(c)],
                           state.multiplier[static_cast<size_t>(c)]);
          if (layer.skip >= 0) {
            const int64_t element = c * pixels + p % pixels;
            y = std::fma(static_cast<float>(code_at(layer.skip, i, element)), skip, y);
          }
          if (layer.relu) y = rectified(y);
          if (dst.is_float) {
            logits_[static_cast<size_t>((i * channels + c) * pixels + p % pixels)] = y;
          } else {
            buffers_[static_cast<size_t>(layer.dst)][at] = static_cast<uint8_t>(rounded(y, dst));
          }
        }
      }
    });
  }

  void pool(const Layer& layer, int64_t batch) {
    const Activation& dst = activation(layer.dst);
    for (int64_t i = 0; i < batch; ++i) {
      for (int64_t e = 0; e < dst.shape.elements(); ++e) {
        buffers_[static_cast<size_t>(layer.dst)][static_cast<size_t>(place(dst.shape, i, e))] =
            static_cast<uint8_t>(pooled(layer, i, e));
      }
    }
  }

  int16_t pooled(const Layer& layer, int64_t image, int64_t element) const {
    const Shape& in = activation(layer.src).shape;
    const Activation& dst = activation(layer.dst);
    const int64_t plane = dst.shape.height * dst.shape.width;
    const int64_t top = element % plane / dst.shape.width * layer.stride - layer.pad;
    const int64_t left = element % dst.shape.width * layer.stride - layer.pad;
    int32_t sum = 0;
    int16_t best = INT16_MIN;
    for (int64_t y = std::max<int64_t>(top, 0); y < std::min(top + layer.kernel, in.height); ++y) {
      for (int64_t x = std::max<int64_t>(left, 0); x < std::min(left + layer.kernel, in.width);
           ++x) {
        const int16_t code =
            code_at(layer.src, image, (element / plane * in.height + y) * in.width + x);
        best = std::max(best, code);
        sum += code;
      }
    }
    if (layer.kind == net::LayerKind::kMaxPool) return best;
    return rounded(static_cast<float>(sum) * net::pool_multiplier(*network_, layer), dst);
  }

  std::shared_ptr<const net::Network> network_;
  std::shared_ptr<const ImageCodes> images_;
  int threads_;
  int64_t batch_;
  Context context_;
  std::vector<LayerState> layers_;
  std::vector<std::vector<uint8_t>> buffers_;  ///< [activations][batch_, NHWC]
  std::vector<int32_t> sums_;
  std::vector<float> logits_;
  std::vector<fault::CodeMask> masks_;
};

}  // namespace
}  // namespace onednn

std::unique_ptr<Engine> make_onednn_engine(std::shared_ptr<const net::Network> network,
                                           std::shared_ptr<const ImageCodes> images,
                                           int64_t threads) {
  // Without VNNI oneDNN halves the weights of layers with signed input, and every network has one.
  if (!onednn::has_vnni()) {
    return make_lanes_engine(std::move(network), std::move(images), {.threads = threads});
  }
  try {
    return std::make_unique<onednn::OneDnnEngine>(std::move(network), std::move(images), threads);
  } catch (const dnnl::error& error) {
    throw Error(std::string("onednn: ") + error.what());
  }
}

}  // namespace flatenn::engine
