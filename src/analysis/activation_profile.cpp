#include "flatenn/analysis/activation_profile.h"

#include <algorithm>
#include <bit>

#include "flatenn/base/error.h"

namespace flatenn::analysis {
namespace {

/// For each input coordinate, how many output coordinates have it inside their window.
std::vector<int64_t> uses_along(int64_t size, int64_t kernel, int64_t stride, int64_t pad) {
  std::vector<int64_t> uses(static_cast<size_t>(size), 0);
  const int64_t outputs = (size + 2 * pad - kernel) / stride + 1;
  for (int64_t output = 0; output < outputs; ++output) {
    for (int64_t offset = 0; offset < kernel; ++offset) {
      const int64_t input = output * stride - pad + offset;
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

}  // namespace

WindowUses window_uses(const net::Network& network, const net::Layer& layer) {
  const net::Shape& in = network.activations[static_cast<size_t>(layer.src)].shape;
  const net::Shape& out = network.activations[static_cast<size_t>(layer.dst)].shape;
  if (layer.kind == net::LayerKind::kLinear) {
    return {std::vector<int64_t>(static_cast<size_t>(in.height), 1),
            std::vector<int64_t>(static_cast<size_t>(in.width), 1), 1};
  }
  return {uses_along(in.height, layer.weights.kernel_height, layer.stride, layer.pad),
          uses_along(in.width, layer.weights.kernel_width, layer.stride, layer.pad),
          out.height * out.width};
}

LayerProfiler::LayerProfiler(const net::Network& network, const net::Layer& layer,
                             const Hardware& hardware)
    : shape_(network.activations[static_cast<size_t>(layer.src)].shape),
      bits_(network.activations[static_cast<size_t>(layer.src)].bits),
      outputs_per_input_(layer.weights.out_channels / layer.groups),
      is_linear_(layer.kind == net::LayerKind::kLinear),
      assignment_(hardware.assignment),
      lane_work_(static_cast<size_t>(hardware.lanes)),
      uses_(window_uses(network, layer)),
      layer_macs_(net::macs(network, layer)) {
  FLATENN_CHECK(layer.multiplies(), "LayerProfiler: layer ", layer.name, " does not multiply");
  for (const int64_t y : uses_.y) {
    for (const int64_t x : uses_.x) layer_used_macs_ += y * x;
  }
  layer_used_macs_ *= shape_.channels * outputs_per_input_;
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
      const int64_t size = is_linear_ ? shape_.elements() : plane;
      const int64_t tile = (size + lanes - 1) / lanes;
      return (is_linear_ ? element : element % plane) / tile;
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
          const int64_t work = windows * outputs_per_input_;
          nonzero_macs += work;
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
