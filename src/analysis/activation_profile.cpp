#include "flatenn/analysis/activation_profile.h"

#include <algorithm>
#include <bit>

#include "flatenn/base/error.h"

namespace flatenn::analysis {
namespace {

/// For each input coordinate, how many output coordinates have it inside their window.
std::vector<int64_t> uses_along(int64_t size, int64_t outputs, int64_t kernel, int64_t stride,
                                int64_t dilation, int64_t pad) {
  std::vector<int64_t> uses(static_cast<size_t>(size), 0);
  for (int64_t output = 0; output < outputs; ++output) {
    for (int64_t offset = 0; offset < kernel; ++offset) {
      const int64_t input = output * stride - pad + offset * dilation;
      if (input >= 0 && input < size) ++uses[static_cast<size_t>(input)];
    }
  }
  return uses;
}

int64_t run_length_bits(std::span<const int16_t> codes, int bits, int64_t run_bits) {
  const int64_t longest = (int64_t{1} << run_bits) - 1;
  int64_t pairs = 0;
  int64_t run = 0;
  for (const int16_t code : codes) {
    if (code == 0 && run < longest) {
      ++run;
    } else {  // a code, or the zero that a full run field forces out
      ++pairs;
      run = 0;
    }
  }
  if (run > 0) ++pairs;  // trailing zeros: the last of them is written out
  return pairs * (run_bits + bits);
}

/// Non-zero weights that read each place of one input channel's kernels: [in_channels, height,
/// width] over all groups.
std::vector<int64_t> nonzero_weights(const net::Layer& layer) {
  const net::Weights& w = layer.weights;
  const int64_t kernel = w.kernel_height * w.kernel_width;
  const int64_t outputs_of_group = w.out_channels / layer.groups;
  std::vector<int64_t> count(static_cast<size_t>(layer.groups * w.in_channels * kernel), 0);
  for (int64_t i = 0; i < w.elements(); ++i) {
    const int64_t output = i / w.fan_in();
    const int64_t place = output / outputs_of_group * w.fan_in() + i % w.fan_in();
    const bool zero = w.value(w.codes[static_cast<size_t>(i)], output) == 0;
    count[static_cast<size_t>(place)] += zero ? 0 : 1;
  }
  return count;
}

/// How many products with non-zero weights each input element takes part in, CHW.
std::vector<int64_t> products(const net::Network& network, const net::Layer& layer) {
  const std::vector<int64_t> weights = nonzero_weights(layer);
  if (layer.kind == net::LayerKind::kLinear) return weights;
  const net::Shape& in = network.activations[static_cast<size_t>(layer.src)].shape;
  const net::Shape& out = network.activations[static_cast<size_t>(layer.dst)].shape;
  const net::Window& w = layer.window;
  std::vector<int64_t> work(static_cast<size_t>(in.elements()), 0);
  const auto add = [&](int64_t channel, int64_t row, int64_t column) {
    const int64_t kernel = layer.weights.kernel_height * layer.weights.kernel_width;
    const int64_t place = channel * kernel + row * layer.weights.kernel_width + column;
    const int64_t count = weights[static_cast<size_t>(place)];
    for (int64_t oy = 0; oy < out.height; ++oy) {
      const int64_t y = oy * w.stride_height - w.top + row * w.dilation_height;
      if (y < 0 || y >= in.height) continue;
      for (int64_t ox = 0; ox < out.width; ++ox) {
        const int64_t x = ox * w.stride_width - w.left + column * w.dilation_width;
        if (x < 0 || x >= in.width) continue;
        work[static_cast<size_t>((channel * in.height + y) * in.width + x)] += count;
      }
    }
  };
  for (int64_t channel = 0; channel < in.channels; ++channel) {
    for (int64_t row = 0; row < layer.weights.kernel_height; ++row) {
      for (int64_t column = 0; column < layer.weights.kernel_width; ++column) {
        add(channel, row, column);
      }
    }
  }
  return work;
}

}  // namespace

WindowUses window_uses(const net::Network& network, const net::Layer& layer) {
  const net::Shape& in = network.activations[static_cast<size_t>(layer.src)].shape;
  const net::Shape& out = network.activations[static_cast<size_t>(layer.dst)].shape;
  if (layer.kind == net::LayerKind::kLinear) {
    return {std::vector<int64_t>(static_cast<size_t>(in.height), 1),
            std::vector<int64_t>(static_cast<size_t>(in.width), 1), 1};
  }
  const net::Window& w = layer.window;
  return {uses_along(in.height, out.height, layer.weights.kernel_height, w.stride_height,
                     w.dilation_height, w.top),
          uses_along(in.width, out.width, layer.weights.kernel_width, w.stride_width,
                     w.dilation_width, w.left),
          out.height * out.width};
}

PlanarTiles planar_tiles(int64_t height, int64_t width, int64_t lanes) {
  int64_t shorter = 1;
  for (int64_t i = 1; i * i <= lanes; ++i) {
    if (lanes % i == 0) shorter = i;
  }
  const int64_t longer = lanes / shorter;
  const int64_t rows = height >= width ? longer : shorter;
  const int64_t columns = lanes / rows;
  return {.columns = columns,
          .tile_height = (height + rows - 1) / rows,
          .tile_width = (width + columns - 1) / columns};
}

LayerProfiler::LayerProfiler(const net::Network& network, const net::Layer& layer,
                             const Hardware& hardware)
    : shape_(network.activations[static_cast<size_t>(layer.src)].shape),
      bits_(network.activations[static_cast<size_t>(layer.src)].bits),
      outputs_per_input_(layer.weights.out_channels / layer.groups),
      is_linear_(layer.kind == net::LayerKind::kLinear),
      assignment_(hardware.assignment),
      tiles_(planar_tiles(shape_.height, shape_.width, hardware.lanes)),
      lane_work_(static_cast<size_t>(hardware.lanes)),
      uses_(window_uses(network, layer)),
      layer_macs_(net::macs(network, layer)) {
  FLATENN_CHECK(layer.multiplies(), "LayerProfiler: layer ", layer.name, " does not multiply");
  for (const int64_t y : uses_.y) {
    for (const int64_t x : uses_.x) layer_used_macs_ += y * x;
  }
  layer_used_macs_ *= shape_.channels * outputs_per_input_;
  if (hardware.skip_zero_weights) work_ = products(network, layer);
}

int64_t LayerProfiler::lane_of(int64_t element) const {
  const auto lanes = static_cast<int64_t>(lane_work_.size());
  const int64_t plane = shape_.height * shape_.width;
  switch (assignment_) {
    case LaneAssignment::kInterleaved:
      break;
    case LaneAssignment::kChannel:
      return (is_linear_ ? element : element / plane) % lanes;
    case LaneAssignment::kSpatial: {
      if (is_linear_) return element / ((shape_.elements() + lanes - 1) / lanes);
      const int64_t place = element % plane;
      return tiles_.lane_of(place / shape_.width, place % shape_.width);
    }
  }
  return element % lanes;
}

void LayerProfiler::add_image(std::span<const int16_t> codes) {
  FLATENN_CHECK(static_cast<int64_t>(codes.size()) == shape_.elements(), "LayerProfiler: expected ",
                shape_.elements(), " codes, got ", codes.size());
  std::fill(lane_work_.begin(), lane_work_.end(), 0);
  const auto mask = static_cast<uint32_t>((1 << bits_) - 1);
  int64_t nonzero_macs = 0;
  size_t element = 0;
  for (int64_t channel = 0; channel < shape_.channels; ++channel) {
    for (const int64_t uses_y : uses_.y) {
      for (const int64_t uses_x : uses_.x) {
        const int16_t code = codes[element];
        if (code == 0) {
          ++counts_.zeros;
        } else {
          const int64_t windows = uses_y * uses_x;
          const int64_t all = windows * outputs_per_input_;
          const int64_t work = work_.empty() ? all : work_[element];
          nonzero_macs += all;
          counts_.zero_weight_macs += all - work;
          lane_work_[static_cast<size_t>(lane_of(static_cast<int64_t>(element)))] += work;
          counts_.row_activations += windows * std::popcount(static_cast<uint32_t>(code) & mask);
        }
        ++element;
      }
    }
  }
  counts_.images += 1;
  counts_.elements += shape_.elements();
  counts_.dense_macs += layer_macs_;
  counts_.padding_macs += layer_macs_ - layer_used_macs_;
  counts_.zero_macs += layer_used_macs_ - nonzero_macs;
  counts_.slowest_lane_macs += *std::max_element(lane_work_.begin(), lane_work_.end());
}

int64_t coded_bits(std::span<const int16_t> codes, int bits, ActivationCoding coding,
                   int64_t run_bits) {
  const auto size = static_cast<int64_t>(codes.size());
  switch (coding) {
    case ActivationCoding::kNone:
      break;
    case ActivationCoding::kBitmap:
      return size + bits * (size - std::count(codes.begin(), codes.end(), int16_t{0}));
    case ActivationCoding::kRunLength:
      return run_length_bits(codes, bits, run_bits);
  }
  return size * bits;
}

}  // namespace flatenn::analysis
