#include "engine/cuda/small_plan.h"

#include <algorithm>

namespace flatenn::engine::cuda {
namespace {

using net::Layer;
using net::LayerKind;

int32_t narrow(int64_t value) { return static_cast<int32_t>(value); }
int64_t divide_up(int64_t value, int64_t by) { return (value + by - 1) / by; }

/// Whether the layers form a chain of kinds that the kernel knows.
bool is_chain(const net::Network& network) {
  if (network.layers.size() > kSmallLayers) return false;
  int64_t previous = 0;
  for (const Layer& layer : network.layers) {
    if (layer.src != previous || layer.skip >= 0 || layer.groups != 1) return false;
    previous = layer.dst;
  }
  return network.layers.back().multiplies();
}

/// Whether a 2 x 2 maximum without overlap follows the convolution.
bool pool_follows(const net::Network& network, size_t index) {
  if (index + 1 >= network.layers.size()) return false;
  const Layer& pool = network.layers[index + 1];
  return network.layers[index].kind == LayerKind::kConv && pool.kind == LayerKind::kMaxPool &&
         pool.kernel() == 2 && pool.stride() == 2 && pool.pad() == 0;
}

class Planner {
 public:
  explicit Planner(const net::Network& network) : network_(network) {}

  SmallPlan plan() {
    plan_.weights.resize(network_.layers.size());
    plan_.factor_of_layer.resize(network_.layers.size());
    const Layer& first = network_.layers.front();
    plan_.words = network_.input().shape.channels == 1 && first.kind == LayerKind::kConv &&
                  first.stride() == 1;
    plan_.image = tensor_of(0, first);
    SmallTensor src = plan_.image;
    for (size_t i = 0; i < network_.layers.size(); ++i) {
      const bool pooled = pool_follows(network_, i);
      const size_t last = pooled ? i + 1 : i;
      src = add_layer(i, last, src);
      i = last;
    }
    place_tensors();
    plan_.packed.resize(static_cast<size_t>(packed_bytes_));
    for (size_t i = 0; i < network_.layers.size(); ++i) {
      const std::vector<int8_t>& codes = network_.layers[i].weights.codes;
      const SmallWeightLayout& layout = plan_.weights[i];
      for (size_t e = 0; e < codes.size(); ++e) {
        plan_.packed[static_cast<size_t>(layout.position(static_cast<int64_t>(e)))] =
            layout.value(codes[e]);
      }
    }
    return std::move(plan_);
  }

 private:
  const net::Activation& activation(int64_t index) const {
    return network_.activations[static_cast<size_t>(index)];
  }

  /// Activation `index` as `reader` wants it.
  SmallTensor tensor_of(int64_t index, const Layer& reader) const {
    const net::Shape& shape = activation(index).shape;
    const int64_t border = reader.kind == LayerKind::kConv ? reader.pad() : 0;
    const int64_t pixel = divide_up(shape.channels, 4) * 4;
    const int64_t row = (shape.width + 2 * border) * pixel;
    const int64_t image = divide_up(row * (shape.height + 2 * border), 16) * 16;
    return {.channels = narrow(shape.channels),
            .height = narrow(shape.height),
            .width = narrow(shape.width),
            .pixel = narrow(pixel),
            .row = narrow(row),
            .image = narrow(image),
            .interior = narrow(border * row + border * pixel),
            .bytes = narrow(image * kSmallImages)};
  }

  /// Layers read one half of shared memory and write the other, in turns.
  void place_tensors() {
    int64_t halves[2] = {plan_.image.bytes, 0};
    for (size_t i = 0; i < plan_.layers.size(); ++i) {
      int64_t& half = halves[(i + 1) % 2];
      half = std::max<int64_t>(half, plan_.layers[i].dst.bytes);
    }
    const int64_t second = divide_up(halves[0], 16) * 16;
    for (size_t i = 0; i < plan_.layers.size(); ++i) {
      plan_.layers[i].src.offset = narrow(i % 2 == 0 ? 0 : second);
      plan_.layers[i].dst.offset = narrow(i % 2 == 0 ? second : 0);
    }
    plan_.shared_bytes = second + halves[1];
  }

  SmallTensor add_layer(size_t index, size_t last, const SmallTensor& src) {
    const Layer& layer = network_.layers[index];
    const Layer& end = network_.layers[last];
    const net::Activation& out = activation(layer.dst);
    SmallLayer small{.kind = layer.multiplies()                  ? SmallKind::kMatrix
                             : layer.kind == LayerKind::kMaxPool ? SmallKind::kMaxPool
                                                                 : SmallKind::kAvgPool,
                     .src = src,
                     .dst = {},
                     .signed_src = activation(layer.src).is_signed ? 1 : 0,
                     .logits = out.is_float ? 1 : 0,
                     .out_height = narrow(out.shape.height),
                     .out_width = narrow(out.shape.width),
                     .pooled = last > index ? 1 : 0,
                     .window = narrow(layer.kernel()),
                     .stride = narrow(layer.stride()),
                     .pad = narrow(layer.pad()),
                     .requantize = {}};
    set_requantize(layer, out, small.requantize);
    if (layer.multiplies()) add_weights(index, small);
    // Pools hold no elements: the next layer's begin where theirs would.
    for (size_t i = layer.multiplies() ? index + 1 : index; i <= last; ++i) {
      plan_.weights[i].first_element = elements_;
    }
    if (last + 1 < network_.layers.size()) {
      small.dst = tensor_of(end.dst, network_.layers[last + 1]);
    } else {
      small.dst.channels = narrow(out.shape.channels);
    }
    plan_.layers.push_back(small);
    return small.dst;
  }

  void set_requantize(const Layer& layer, const net::Activation& out, Requantize& q) const {
    q.relu = layer.relu;
    q.low = static_cast<float>(layer.relu ? std::max(out.min_code(), 0) : out.min_code());
    q.high = static_cast<float>(out.max_code());
    if (layer.kind == LayerKind::kAvgPool)
      q.skip_multiplier = net::pool_multiplier(network_, layer);
  }

  void add_weights(size_t index, SmallLayer& small) {
    const Layer& layer = network_.layers[index];
    const net::Weights& w = layer.weights;
    const bool conv = layer.kind == LayerKind::kConv;
    const net::Shape& in = activation(layer.src).shape;
    const int64_t width = conv ? w.kernel_width : in.width;
    const int64_t taps = conv ? w.kernel_height * w.kernel_width : in.height * in.width;
    SmallWeightLayout& layout = plan_.weights[index];
    layout = {.first_element = elements_,
              .offset = packed_bytes_,
              .in_channels = narrow(in.channels),
              .taps = narrow(taps),
              .kernel_width = narrow(width),
              .channel_tiles = narrow(divide_up(w.out_channels, 8)),
              .words = plan_.words && index == 0,
              .odd_values = w.value_map == net::ValueMap::kOdd};
    add_group_offsets(layout, small);
    small.channel_tiles = layout.channel_tiles;
    small.weights = narrow(packed_bytes_);
    elements_ += w.elements();
    packed_bytes_ += int64_t{small.k_steps} * small.channel_tiles * 256;
    add_factors(index, small);
  }

  void add_group_offsets(const SmallWeightLayout& layout, SmallLayer& small) {
    const SmallTensor& src = small.src;
    small.groups = narrow(static_cast<int64_t>(plan_.group_offsets.size()));
    const int32_t rows = layout.taps / layout.kernel_width;
    for (int32_t y = 0; y < rows; ++y) {
      if (layout.words) {
        for (int32_t x = 0; x < layout.kernel_width; x += 4) {
          plan_.group_offsets.push_back(y * src.row + x * src.pixel);
        }
        continue;
      }
      for (int32_t x = 0; x < layout.kernel_width; ++x) {
        for (int32_t c = 0; c < src.pixel; c += 4) {
          plan_.group_offsets.push_back(y * src.row + x * src.pixel + c);
        }
      }
    }
    const auto groups = static_cast<int64_t>(plan_.group_offsets.size()) - small.groups;
    small.k_steps = narrow(divide_up(groups, 8));
    // The rest of the last step meets zero weights.
    plan_.group_offsets.resize(static_cast<size_t>(small.groups + small.k_steps * 8));
  }

  void add_factors(size_t index, SmallLayer& small) {
    const Layer& layer = network_.layers[index];
    small.factors = narrow(static_cast<int64_t>(plan_.factors.size()));
    plan_.factor_of_layer[index] = small.factors;
    const std::vector<float> multipliers = net::multipliers(network_, layer);
    for (size_t c = 0; c < static_cast<size_t>(small.channel_tiles) * 8; ++c) {
      plan_.factors.push_back(c < multipliers.size()
                                  ? ChannelFactor{static_cast<float>(layer.bias[c]), multipliers[c]}
                                  : ChannelFactor{});
    }
  }

  const net::Network& network_;
  int64_t elements_ = 0;
  int64_t packed_bytes_ = 0;
  SmallPlan plan_;
};

}  // namespace

std::vector<uint8_t> place_images(const SmallPlan& plan, std::span<const int8_t> codes) {
  const SmallTensor& t = plan.image;
  const int64_t plane = int64_t{t.height} * t.width;
  const int64_t elements = t.channels * plane;
  const int64_t count = static_cast<int64_t>(codes.size()) / elements;
  std::vector<uint8_t> placed(static_cast<size_t>(count * t.image));
  for (int64_t n = 0; n < count; ++n) {
    uint8_t* image = placed.data() + n * t.image;
    for (int64_t e = 0; e < elements; ++e) {
      const auto code = static_cast<uint8_t>(codes[static_cast<size_t>(n * elements + e)]);
      const int64_t y = e % plane / t.width;
      const int64_t at = t.interior + y * t.row + e % t.width * t.pixel;
      if (!plan.words) {
        image[at + e / plane] = code;
        continue;
      }
      // The code is byte i of the word i pixels to the left, as far as the row goes.
      const int64_t column = at % t.row / t.pixel;
      for (int64_t i = 0; i < 4 && i <= column; ++i) image[at - i * t.pixel + i] = code;
    }
  }
  return placed;
}

std::optional<SmallPlan> plan_small(const net::Network& network, int64_t shared_bytes) {
  if (!is_chain(network)) return std::nullopt;
  SmallPlan plan = Planner(network).plan();
  if (plan.shared_bytes > shared_bytes) return std::nullopt;
  return plan;
}

}  // namespace flatenn::engine::cuda
