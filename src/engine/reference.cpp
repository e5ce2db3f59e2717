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

/// code - zero_point at (channel, y, x), or 0 in the padding.
int centred(const std::vector<int16_t>& codes, const Activation& a, int64_t channel, int64_t y,
            int64_t x) {
  const Shape& shape = a.shape;
  if (y < 0 || y >= shape.height || x < 0 || x >= shape.width) return 0;
  return codes[static_cast<size_t>((channel * shape.height + y) * shape.width + x)] - a.zero_point;
}

float real(int16_t code, const Activation& a) {
  return a.scale * static_cast<float>(code - a.zero_point);
}

/// The job's network: layers with the changed codes and biases in place.
class FaultyNetwork {
 public:
  FaultyNetwork(const net::Network& network, const Job& job)
      : network_(network), layers_(network.layers), activation_faults_(job.activations) {
    for (const WeightChange& change : job.weights) {
      for_twins(change.layer, [&](Layer& layer) {
        layer.weights.codes[static_cast<size_t>(change.element)] = change.code;
      });
    }
    for (const BiasChange& change : job.biases) {
      for_twins(change.layer, [&](Layer& layer) {
        layer.bias[static_cast<size_t>(change.channel)] = change.value;
      });
    }
    for (const Layer& layer : layers_) {
      multipliers_.push_back(layer.multiplies() ? net::multipliers(network, layer)
                                                : std::vector<float>{});
    }
  }

  /// `given`: codes of an activation that later layers read in place of its own.
  ImageState run(const ImageCodes& images, int64_t image,
                 const std::map<int64_t, std::vector<int16_t>>& given = {}) const {
    ImageState state;
    std::map<int64_t, std::vector<int16_t>> computed;
    state.codes.resize(network_.activations.size());
    const int64_t elements = images.shape.elements();
    for (int64_t i = image * elements; i < (image + 1) * elements; ++i) {
      const int8_t byte = images.codes[static_cast<size_t>(i)];
      state.codes[0].push_back(network_.input().is_signed ? byte : static_cast<uint8_t>(byte));
    }
    apply_faults(0, image, state);
    for (size_t i = 0; i < layers_.size(); ++i) {
      run_layer(layers_[i], multipliers_[i], state);
      apply_faults(layers_[i].dst, image, state);
      if (const auto found = given.find(layers_[i].dst); found != given.end()) {
        std::vector<int16_t>& own = state.codes[static_cast<size_t>(layers_[i].dst)];
        const auto first = found->second.begin() + image * std::ssize(own);
        computed[layers_[i].dst].assign(first, first + std::ssize(own));
        computed[layers_[i].dst].swap(own);
      }
    }
    for (auto& [index, codes] : computed) state.codes[static_cast<size_t>(index)].swap(codes);
    const Activation& last = network_.logits();
    if (!last.is_float) {
      for (const int16_t code : state.codes[static_cast<size_t>(layers_.back().dst)]) {
        state.logits.push_back(real(code, last));
      }
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

  /// Calls body for the layer and those that use its stored weights.
  template <typename Body>
  void for_twins(int64_t index, const Body& body) {
    body(layers_[static_cast<size_t>(index)]);
    for (Layer& layer : layers_) {
      if (layer.twin == index) body(layer);
    }
  }

  void run_layer(const Layer& layer, const std::vector<float>& multiplier,
                 ImageState& state) const {
    const Shape& shape = activation(layer.dst).shape;
    if (!activation(layer.dst).is_float) {
      state.codes[static_cast<size_t>(layer.dst)].reserve(static_cast<size_t>(shape.elements()));
    }
    if (choose_codes(layer, state)) return;
    if (layer.in_fixed_point()) {
      write_fixed_point(layer, state);
      return;
    }
    const float skip = net::skip_multiplier(network_, layer);
    for (int64_t c = 0, at = 0; c < shape.channels; ++c) {
      for (int64_t y = 0; y < shape.height; ++y) {
        for (int64_t x = 0; x < shape.width; ++x, ++at) {
          float value = 0;
          if (layer.multiplies()) {
            value = weighted(layer, multiplier, state, c, y, x);
            if (layer.skip >= 0) value = std::fma(skip_code(layer, state, at), skip, value);
          } else if (layer.kind == LayerKind::kAvgPool) {
            value = window_mean(layer, state, c, y, x);
          } else {
            value = combined(layer, state, c, at);
          }
          write(layer, layer.relu ? rectified(value) : value, state);
        }
      }
    }
  }

  /// Layers that only choose among codes; false for all others.
  bool choose_codes(const Layer& layer, ImageState& state) const {
    const std::vector<int16_t>& src = state.codes[static_cast<size_t>(layer.src)];
    const Activation& from = activation(layer.src);
    std::vector<int16_t>& out = state.codes[static_cast<size_t>(layer.dst)];
    if (layer.kind == LayerKind::kMaxPool) {
      const Shape& shape = activation(layer.dst).shape;
      for (int64_t c = 0; c < shape.channels; ++c) {
        for (int64_t y = 0; y < shape.height; ++y) {
          for (int64_t x = 0; x < shape.width; ++x) out.push_back(window_max(layer, src, c, y, x));
        }
      }
    } else if (layer.kind == LayerKind::kTable) {
      const auto levels = static_cast<size_t>(from.max_code() - from.min_code() + 1);
      const auto plane = static_cast<size_t>(from.shape.height * from.shape.width);
      const bool by_channel = layer.table.size() > levels;
      for (size_t i = 0; i < src.size(); ++i) {
        const size_t first = by_channel ? i / plane * levels : 0;
        out.push_back(layer.table[first + static_cast<size_t>(src[i] - from.min_code())]);
      }
    } else if (layer.kind == LayerKind::kMove) {
      for (const int32_t element : layer.order) out.push_back(src[static_cast<size_t>(element)]);
    } else if (layer.kind == LayerKind::kConcat) {
      for (const int64_t input : layer.inputs()) {
        const auto& codes = state.codes[static_cast<size_t>(input)];
        out.insert(out.end(), codes.begin(), codes.end());
      }
    } else {
      return false;
    }
    return true;
  }

  void write(const Layer& layer, float value, ImageState& state) const {
    const Activation& dst = activation(layer.dst);
    if (dst.is_float) {
      state.logits.push_back(value);
    } else {
      state.codes[static_cast<size_t>(layer.dst)].push_back(rounded(value, dst, layer));
    }
  }

  float skip_code(const Layer& layer, const ImageState& state, int64_t at) const {
    const int16_t code = state.codes[static_cast<size_t>(layer.skip)][static_cast<size_t>(at)];
    return static_cast<float>(code - activation(layer.skip).zero_point);
  }

  int32_t accumulated(const Layer& layer, const ImageState& state, int64_t c, int64_t y,
                      int64_t x) const {
    const std::vector<int16_t>& src = state.codes[static_cast<size_t>(layer.src)];
    return layer.kind == LayerKind::kConv ? convolve(layer, src, c, y, x) : product(layer, src, c);
  }

  float weighted(const Layer& layer, const std::vector<float>& multiplier, const ImageState& state,
                 int64_t c, int64_t y, int64_t x) const {
    return scaled(accumulated(layer, state, c, y, x), layer.bias[static_cast<size_t>(c)],
                  multiplier[static_cast<size_t>(c)]);
  }

  /// All outputs of a layer that requantizes in integers.
  void write_fixed_point(const Layer& layer, ImageState& state) const {
    const Activation& dst = activation(layer.dst);
    std::vector<int16_t>& out = state.codes[static_cast<size_t>(layer.dst)];
    for (int64_t c = 0, at = 0; c < dst.shape.channels; ++c) {
      for (int64_t y = 0; y < dst.shape.height; ++y) {
        for (int64_t x = 0; x < dst.shape.width; ++x, ++at) {
          int32_t value = 0;
          if (layer.multiplies()) {
            value = requantized(layer, accumulated(layer, state, c, y, x), c);
          } else if (layer.kind == LayerKind::kAvgPool) {
            value = fixed_point_mean(layer, state, c, y, x);
          } else {
            const auto [a, b] = operands(layer, state, c, at);
            value = layer.kind == LayerKind::kAdd ? fixed_point_sum(layer, a, b)
                                                  : net::multiply(a * b, layer.factors[0]);
          }
          out.push_back(limited(layer.relu ? std::max(value, 0) : value, dst, layer));
        }
      }
    }
  }

  /// Sum or product, in units of the output.
  float combined(const Layer& layer, const ImageState& state, int64_t c, int64_t at) const {
    const Activation& dst = activation(layer.dst);
    const auto [a, b] = operands(layer, state, c, at);
    const float x = activation(layer.src).scale * static_cast<float>(a);
    const float y = activation(layer.others.front()).scale * static_cast<float>(b);
    const float value = layer.kind == LayerKind::kAdd ? x + y : x * y;
    return dst.is_float ? value : value / dst.scale;
  }

  /// Both operands of an element-wise layer, without their zero points.
  std::pair<int, int> operands(const Layer& layer, const ImageState& state, int64_t c,
                               int64_t at) const {
    const Activation& a = activation(layer.src);
    const Activation& b = activation(layer.others.front());
    const bool spread = b.shape != a.shape;
    const int16_t x = state.codes[static_cast<size_t>(layer.src)][static_cast<size_t>(at)];
    const int16_t y =
        state
            .codes[static_cast<size_t>(layer.others.front())][static_cast<size_t>(spread ? c : at)];
    return {x - a.zero_point, y - b.zero_point};
  }

  int32_t convolve(const Layer& layer, const std::vector<int16_t>& src, int64_t channel, int64_t y,
                   int64_t x) const {
    const net::Weights& w = layer.weights;
    const net::Window& at = layer.window;
    const int64_t group = channel / (w.out_channels / layer.groups);
    const int8_t* code = &w.codes[static_cast<size_t>(channel * w.fan_in())];
    int32_t acc = 0;
    for (int64_t c = 0; c < w.in_channels; ++c) {
      for (int64_t ky = 0; ky < w.kernel_height; ++ky) {
        for (int64_t kx = 0; kx < w.kernel_width; ++kx) {
          acc += w.value(*code++, channel) *
                 centred(src, activation(layer.src), group * w.in_channels + c,
                         y * at.stride_height - at.top + ky * at.dilation_height,
                         x * at.stride_width - at.left + kx * at.dilation_width);
        }
      }
    }
    return acc;
  }

  int32_t product(const Layer& layer, const std::vector<int16_t>& src, int64_t channel) const {
    const net::Weights& w = layer.weights;
    const int zero = activation(layer.src).zero_point;
    const int8_t* code = &w.codes[static_cast<size_t>(channel * w.in_channels)];
    int32_t acc = 0;
    for (int64_t i = 0; i < w.in_channels; ++i) {
      acc += w.value(code[i], channel) * (src[static_cast<size_t>(i)] - zero);
    }
    return acc;
  }

  /// Calls body(y, x) for the window's elements that are not padding.
  template <typename Body>
  void for_window(const Layer& layer, int64_t y, int64_t x, const Body& body) const {
    const Shape& shape = activation(layer.src).shape;
    const net::Window& w = layer.window;
    for (int64_t ky = 0; ky < w.kernel_height; ++ky) {
      const int64_t iy = y * w.stride_height - w.top + ky * w.dilation_height;
      if (iy < 0 || iy >= shape.height) continue;
      for (int64_t kx = 0; kx < w.kernel_width; ++kx) {
        const int64_t ix = x * w.stride_width - w.left + kx * w.dilation_width;
        if (ix >= 0 && ix < shape.width) body(iy, ix);
      }
    }
  }

  int16_t window_max(const Layer& layer, const std::vector<int16_t>& src, int64_t c, int64_t y,
                     int64_t x) const {
    const Activation& a = activation(layer.src);
    int best = a.min_code();
    for_window(layer, y, x, [&](int64_t iy, int64_t ix) {
      best = std::max(best, centred(src, a, c, iy, ix) + a.zero_point);
    });
    return static_cast<int16_t>(best);
  }

  struct WindowSum {
    int32_t sum = 0;  ///< Of code - zero_point.
    int64_t count = 0;
  };
  WindowSum window_sum(const Layer& layer, const ImageState& state, int64_t c, int64_t y,
                       int64_t x) const {
    const std::vector<int16_t>& src = state.codes[static_cast<size_t>(layer.src)];
    WindowSum result;
    for_window(layer, y, x, [&](int64_t iy, int64_t ix) {
      result.sum += centred(src, activation(layer.src), c, iy, ix);
      ++result.count;
    });
    return result;
  }

  float window_mean(const Layer& layer, const ImageState& state, int64_t c, int64_t y,
                    int64_t x) const {
    const auto [sum, count] = window_sum(layer, state, c, y, x);
    return static_cast<float>(sum) *
           net::pool_multiplier(network_, layer, layer.count_padding ? 0 : count);
  }

  /// Without the output's zero point.
  int32_t fixed_point_mean(const Layer& layer, const ImageState& state, int64_t c, int64_t y,
                           int64_t x) const {
    const auto [sum, count] = window_sum(layer, state, c, y, x);
    if (!layer.factors.empty()) return net::multiply(sum, layer.factors[0]);
    const int64_t zero = activation(layer.src).zero_point;
    const int64_t all = layer.window.kernel_height * layer.window.kernel_width;
    const int64_t counted = layer.count_padding ? all : count;
    return net::rounded_mean(sum + counted * zero, counted) - static_cast<int32_t>(zero);
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

Trace ReferenceEngine::trace(const Job& job, const std::map<int64_t, std::vector<int16_t>>& given) {
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
    const ImageState state = faulty_network.run(*images_, image_index(job, i), given);
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
      zeros[a] += std::count(state.codes[a].begin(), state.codes[a].end(),
                             static_cast<int16_t>(network_->activations[a].zero_point));
    }
  });
  return std::vector<int64_t>(zeros.begin(), zeros.end());
}

}  // namespace flatenn::engine
