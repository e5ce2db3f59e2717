#include "engine/reference.h"

#include <algorithm>
#include <atomic>

#include "engine/arithmetic.h"
#include "engine/job_checks.h"
#include "flatenn/base/parallel.h"

namespace flatenn::engine {
namespace {

using net::Activation;
using net::Layer;
using net::LayerKind;
using net::Shape;

/// Every activation of one image; the logits apart.
struct ImageState {
  std::vector<std::vector<int16_t>> codes;  ///< [activation][channel, y, x]
  std::vector<float> logits;
};

/// The code at (channel, y, x), or 0 in the padding.
int16_t padded(const std::vector<int16_t>& codes, const Shape& shape, int64_t channel, int64_t y,
               int64_t x) {
  if (y < 0 || y >= shape.height || x < 0 || x >= shape.width) return 0;
  return codes[static_cast<size_t>((channel * shape.height + y) * shape.width + x)];
}

/// The job's network: layers with the changed codes and biases in place.
class FaultyNetwork {
 public:
  FaultyNetwork(const net::Network& network, const Job& job)
      : network_(network), layers_(network.layers), activation_faults_(job.activations) {
    for (const WeightChange& change : job.weights) {
      layers_[static_cast<size_t>(change.layer)]
          .weights.codes[static_cast<size_t>(change.element)] = change.code;
    }
    for (const BiasChange& change : job.biases) {
      layers_[static_cast<size_t>(change.layer)].bias[static_cast<size_t>(change.channel)] =
          change.value;
    }
    for (const Layer& layer : layers_) {
      multipliers_.push_back(layer.multiplies() ? net::multipliers(network, layer)
                                                : std::vector<float>{});
    }
  }

  ImageState run(const ImageCodes& images, int64_t image) const {
    ImageState state;
    state.codes.resize(network_.activations.size());
    const int64_t elements = images.shape.elements();
    const auto first = images.codes.begin() + image * elements;
    state.codes[0].assign(first, first + elements);
    apply_faults(0, image, state);
    for (size_t i = 0; i < layers_.size(); ++i) {
      run_layer(layers_[i], multipliers_[i], state);
      apply_faults(layers_[i].dst, image, state);
    }
    return state;
  }

 private:
  const Activation& activation(int64_t index) const {
    return network_.activations[static_cast<size_t>(index)];
  }

  void apply_faults(int64_t index, int64_t image, ImageState& state) const {
    if (activation_faults_ == nullptr || activation(index).is_float ||
        !activation_faults_->touches(index)) {
      return;
    }
    std::vector<fault::CodeMask> masks;
    activation_faults_->masks(index, image, masks);
    for (const fault::CodeMask& mask : masks) {
      int16_t& code = state.codes[static_cast<size_t>(index)][static_cast<size_t>(mask.element)];
      code = faulty(code, mask, activation(index));
    }
  }

  void run_layer(const Layer& layer, const std::vector<float>& multiplier,
                 ImageState& state) const {
    const Activation& dst = activation(layer.dst);
    std::vector<int16_t>& out = state.codes[static_cast<size_t>(layer.dst)];
    if (!dst.is_float) out.resize(static_cast<size_t>(dst.shape.elements()));
    const float pool = layer.multiplies() ? 0 : net::pool_multiplier(network_, layer);
    const float skip = net::skip_multiplier(network_, layer);
    for (int64_t c = 0, at = 0; c < dst.shape.channels; ++c) {
      for (int64_t y = 0; y < dst.shape.height; ++y) {
        for (int64_t x = 0; x < dst.shape.width; ++x, ++at) {
          const std::vector<int16_t>& src = state.codes[static_cast<size_t>(layer.src)];
          if (layer.kind == LayerKind::kMaxPool) {
            out[static_cast<size_t>(at)] = window_max(layer, src, c, y, x);
            continue;
          }
          if (layer.kind == LayerKind::kAvgPool) {
            const auto sum = static_cast<float>(window_sum(layer, src, c, y, x));
            out[static_cast<size_t>(at)] = rounded(sum * pool, dst);
            continue;
          }
          const int32_t acc = layer.kind == LayerKind::kConv ? convolve(layer, src, c, y, x)
                                                             : product(layer, src, c);
          float value =
              scaled(acc, layer.bias[static_cast<size_t>(c)], multiplier[static_cast<size_t>(c)]);
          if (layer.skip >= 0) {
            const int16_t code =
                state.codes[static_cast<size_t>(layer.skip)][static_cast<size_t>(at)];
            value = std::fma(static_cast<float>(code), skip, value);
          }
          if (layer.relu) value = rectified(value);
          if (dst.is_float) {
            state.logits.push_back(value);
          } else {
            out[static_cast<size_t>(at)] = rounded(value, dst);
          }
        }
      }
    }
  }

  int32_t convolve(const Layer& layer, const std::vector<int16_t>& src, int64_t channel, int64_t y,
                   int64_t x) const {
    const net::Weights& w = layer.weights;
    const Shape& shape = activation(layer.src).shape;
    const int64_t group = channel / (w.out_channels / layer.groups);
    const int8_t* code = &w.codes[static_cast<size_t>(channel * w.fan_in())];
    int32_t acc = 0;
    for (int64_t c = 0; c < w.in_channels; ++c) {
      for (int64_t ky = 0; ky < w.kernel_height; ++ky) {
        for (int64_t kx = 0; kx < w.kernel_width; ++kx) {
          acc += w.value(*code++) * padded(src, shape, group * w.in_channels + c,
                                           y * layer.stride - layer.pad + ky,
                                           x * layer.stride - layer.pad + kx);
        }
      }
    }
    return acc;
  }

  static int32_t product(const Layer& layer, const std::vector<int16_t>& src, int64_t channel) {
    const net::Weights& w = layer.weights;
    const int8_t* code = &w.codes[static_cast<size_t>(channel * w.in_channels)];
    int32_t acc = 0;
    for (int64_t i = 0; i < w.in_channels; ++i) {
      acc += w.value(code[i]) * src[static_cast<size_t>(i)];
    }
    return acc;
  }

  /// Calls body(code) for the window's elements that are not padding.
  template <typename Body>
  void for_window(const Layer& layer, const std::vector<int16_t>& src, int64_t c, int64_t y,
                  int64_t x, const Body& body) const {
    const Shape& shape = activation(layer.src).shape;
    const int64_t top = y * layer.stride - layer.pad;
    const int64_t left = x * layer.stride - layer.pad;
    for (int64_t iy = std::max<int64_t>(top, 0); iy < std::min(top + layer.kernel, shape.height);
         ++iy) {
      for (int64_t ix = std::max<int64_t>(left, 0); ix < std::min(left + layer.kernel, shape.width);
           ++ix) {
        body(padded(src, shape, c, iy, ix));
      }
    }
  }

  int16_t window_max(const Layer& layer, const std::vector<int16_t>& src, int64_t c, int64_t y,
                     int64_t x) const {
    int16_t best = INT16_MIN;
    for_window(layer, src, c, y, x, [&](int16_t code) { best = std::max(best, code); });
    return best;
  }

  int32_t window_sum(const Layer& layer, const std::vector<int16_t>& src, int64_t c, int64_t y,
                     int64_t x) const {
    int32_t sum = 0;
    for_window(layer, src, c, y, x, [&](int16_t code) { sum += code; });
    return sum;
  }

  const net::Network& network_;
  std::vector<Layer> layers_;
  std::vector<std::vector<float>> multipliers_;
  const fault::ActivationFaults* activation_faults_;
};

}  // namespace

ReferenceEngine::ReferenceEngine(std::shared_ptr<const net::Network> network,
                                 std::shared_ptr<const ImageCodes> images, int64_t threads)
    : network_(std::move(network)),
      images_(std::move(images)),
      threads_(resolve_threads(threads)) {}

int64_t ReferenceEngine::image_index(const Job& job, int64_t i) const {
  return job.images.empty() ? i : job.images[static_cast<size_t>(i)];
}

void ReferenceEngine::run(std::span<Job> jobs) {
  const int64_t classes = network_->classes();
  for (Job& job : jobs) {
    check_job(*network_, *images_, job);
    const FaultyNetwork faulty_network(*network_, job);
    parallel_for(job_images(job, *images_), threads_, [&](int64_t i) {
      const ImageState state = faulty_network.run(*images_, image_index(job, i));
      std::copy(state.logits.begin(), state.logits.end(), job.logits.begin() + i * classes);
    });
  }
}

std::vector<int16_t> ReferenceEngine::codes(const Job& job, int64_t activation) {
  check_codes_request(*network_, *images_, job, activation);
  const int64_t size = network_->activations[static_cast<size_t>(activation)].shape.elements();
  const int64_t count = job_images(job, *images_);
  std::vector<int16_t> result(static_cast<size_t>(count * size));
  const FaultyNetwork faulty_network(*network_, job);
  parallel_for(count, threads_, [&](int64_t i) {
    const ImageState state = faulty_network.run(*images_, image_index(job, i));
    const std::vector<int16_t>& codes = state.codes[static_cast<size_t>(activation)];
    std::copy(codes.begin(), codes.end(), result.begin() + i * size);
  });
  return result;
}

Trace ReferenceEngine::trace(const Job& job) {
  check_codes_request(*network_, *images_, job, 0);
  const int64_t count = job_images(job, *images_);
  const int64_t classes = network_->classes();
  Trace trace{.codes = {}, .logits = std::vector<float>(static_cast<size_t>(count * classes))};
  for (const Activation& activation : network_->activations) {
    const int64_t size = activation.is_float ? 0 : activation.shape.elements();
    trace.codes.emplace_back(static_cast<size_t>(count * size));
  }
  const FaultyNetwork faulty_network(*network_, job);
  parallel_for(count, threads_, [&](int64_t i) {
    const ImageState state = faulty_network.run(*images_, image_index(job, i));
    std::copy(state.logits.begin(), state.logits.end(), trace.logits.begin() + i * classes);
    for (size_t a = 0; a < trace.codes.size(); ++a) {
      std::copy(state.codes[a].begin(), state.codes[a].end(),
                trace.codes[a].begin() + i * std::ssize(state.codes[a]));
    }
  });
  return trace;
}

std::optional<std::vector<int64_t>> ReferenceEngine::count_zeros(const Job& job) {
  check_codes_request(*network_, *images_, job, 0);
  const FaultyNetwork faulty_network(*network_, job);
  std::vector<std::atomic<int64_t>> zeros(network_->activations.size());
  parallel_for(job_images(job, *images_), threads_, [&](int64_t i) {
    const ImageState state = faulty_network.run(*images_, image_index(job, i));
    for (size_t a = 0; a < zeros.size(); ++a) {
      zeros[a] += std::count(state.codes[a].begin(), state.codes[a].end(), int16_t{0});
    }
  });
  return std::vector<int64_t>(zeros.begin(), zeros.end());
}

}  // namespace flatenn::engine
