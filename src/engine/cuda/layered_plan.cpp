#include "engine/cuda/layered_plan.h"

#include <algorithm>

#include "flatenn/base/error.h"

namespace flatenn::engine::cuda {
namespace {

constexpr int64_t kChannelAlignment = 16;  // The copy engine's strides.
constexpr int64_t kMostColumns = 128;      // Wider windows gain nothing from being unrolled.
constexpr int64_t kWidestBox = 256;        // The copy engine's limit.
constexpr int64_t kWeightAlignment = 128;

int64_t round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }
int64_t divide_up(int64_t value, int64_t by) { return (value + by - 1) / by; }

/// The smallest of 16, 32, 64, 128 that holds `size`, or 128.
int power_for(int64_t size) { return size <= 16 ? 16 : size <= 32 ? 32 : size <= 64 ? 64 : 128; }

/// The layer as a convolution: a linear layer's kernel covers its input.
struct Geometry {
  int64_t in_channels = 0;
  int64_t kernel_height = 1;
  int64_t kernel_width = 1;
  int64_t taps() const { return kernel_height * kernel_width; }
};

Geometry geometry(const net::Network& network, const net::Layer& layer) {
  const net::Weights& w = layer.weights;
  if (layer.kind == net::LayerKind::kConv) return {w.in_channels, w.kernel_height, w.kernel_width};
  const net::Shape& src = network.activations[static_cast<size_t>(layer.src)].shape;
  return {src.channels, src.height, src.width};
}

class Planner {
 public:
  Planner(const net::Network& network, bool tile_kernels)
      : network_(network), tile_kernels_(tile_kernels) {}

  LayeredPlan plan() {
    for (const net::Activation& activation : network_.activations) {
      plan_.tensors.push_back({.shape = activation.shape,
                               .pitch = round_up(activation.shape.channels, kChannelAlignment),
                               .is_signed = activation.is_signed,
                               .bits = activation.bits});
    }
    for (size_t i = 0; i < network_.layers.size(); ++i) add_layer(static_cast<int64_t>(i));
    move_image_steps_first();
    find_lifetimes();
    place_in_scratch();
    return std::move(plan_);
  }

 private:
  const net::Activation& activation(int64_t index) const {
    return network_.activations[static_cast<size_t>(index)];
  }

  void add_layer(int64_t index) {
    const net::Layer& layer = network_.layers[static_cast<size_t>(index)];
    const bool columns = reads_columns(layer);
    const int64_t src = layer.src == 0 ? image_tensor(index, columns) : layer.src;
    if (layer.skip == 0) image_tensor(index, false);
    Step step{.kind = layer.kind == net::LayerKind::kMaxPool   ? StepKind::kMaxPool
                      : layer.kind == net::LayerKind::kAvgPool ? StepKind::kAvgPool
                      : on_tensor_cores(layer)                 ? StepKind::kConvTile
                                                               : StepKind::kConvDirect,
              .layer = index,
              .src = src,
              .dst = activation(layer.dst).is_float ? -1 : layer.dst,
              .skip = layer.skip,
              .stride = static_cast<int>(layer.stride()),
              .pad = static_cast<int>(layer.pad()),
              .first_factor = static_cast<int64_t>(plan_.factors.size())};
    set_requantize(layer, step);
    WeightLayout weights{.first_element = elements_};
    if (layer.multiplies()) weights = add_weights(layer, columns, step);
    plan_.weights.push_back(weights);
    plan_.steps.push_back(step);
  }

  bool on_tensor_cores(const net::Layer& layer) const {
    return tile_kernels_ && layer.multiplies() && layer.groups == 1 && layer.stride() <= 8 &&
           !(activation(layer.dst).is_float && layer.skip >= 0);
  }

  /// With few channels most of a 16-byte pixel would be padding: the windows are unrolled once.
  bool reads_columns(const net::Layer& layer) const {
    return layer.src == 0 && layer.kind == net::LayerKind::kConv && on_tensor_cores(layer) &&
           layer.weights.in_channels < kChannelAlignment && layer.weights.fan_in() <= kMostColumns;
  }

  /// The tensor that holds the image for this layer, with the step that fills it.
  int64_t image_tensor(int64_t layer_index, bool columns) {
    const net::Layer& layer = network_.layers[static_cast<size_t>(layer_index)];
    if (!columns) {
      if (!has_pixels_) {
        plan_.steps.push_back({.kind = StepKind::kPixels, .dst = 0});
        ++image_steps_;
      }
      has_pixels_ = true;
      return 0;
    }
    const net::Shape& out = activation(layer.dst).shape;
    const auto tensor = static_cast<int64_t>(plan_.tensors.size());
    plan_.tensors.push_back({.shape = {layer.weights.fan_in(), out.height, out.width},
                             .pitch = round_up(layer.weights.fan_in(), kChannelAlignment),
                             .is_signed = activation(0).is_signed});
    plan_.steps.push_back({.kind = StepKind::kColumns, .layer = layer_index, .dst = tensor});
    ++image_steps_;
    return tensor;
  }

  void set_requantize(const net::Layer& layer, Step& step) const {
    const net::Activation& dst = activation(layer.dst);
    Requantize& q = step.requantize;
    q.relu = layer.relu;
    if (!dst.is_float) {
      q.low = static_cast<float>(layer.relu ? std::max(dst.min_code(), 0) : dst.min_code());
      q.high = static_cast<float>(dst.max_code());
    }
    if (layer.skip >= 0) {
      q.skip_multiplier = net::skip_multiplier(network_, layer);
      q.skip_sign = activation(layer.skip).is_signed ? 0x80 : 0;
    }
    if (layer.kind == net::LayerKind::kAvgPool) {
      q.skip_multiplier = net::pool_multiplier(network_, layer);
    }
    if (layer.multiplies()) {
      const net::Activation& src = activation(layer.src);
      const int64_t code = std::max(-src.min_code(), src.max_code());
      const int64_t value =
          int64_t{1} << (layer.weights.value_map == net::ValueMap::kOdd ? layer.weights.bits
                                                                        : layer.weights.bits - 1);
      q.small_sums = layer.weights.fan_in() * code * value < (int64_t{1} << 22);
    }
  }

  WeightLayout add_weights(const net::Layer& layer, bool columns, Step& step) {
    const Geometry g = geometry(network_, layer);
    const net::Weights& w = layer.weights;
    WeightLayout layout{.first_element = elements_,
                        .elements = w.elements(),
                        .offset = plan_.weight_bytes,
                        .in_channels = static_cast<int32_t>(g.in_channels),
                        .taps = static_cast<int32_t>(g.taps()),
                        .columns = columns,
                        .odd_values = w.value_map == net::ValueMap::kOdd};
    step.taps = columns ? 1 : layout.taps;
    step.kernel_width = columns ? 1 : static_cast<int>(g.kernel_width);
    if (columns) {
      step.stride = 1;
      step.pad = 0;
    }
    if (step.kind == StepKind::kConvTile) {
      choose_tile(layer, step);
      layout.unit = step.variant.unit;
      const int64_t channels = columns ? w.fan_in() : g.in_channels;
      step.units = static_cast<int>(divide_up(channels, layout.unit) * step.taps);
      layout.row_bytes = round_up(step.units * layout.unit, kStageBytes);
      layout.rows = round_up(w.out_channels, step.variant.channels);
    } else {
      layout.unit = layout.in_channels;
      layout.row_bytes = w.fan_in();
      layout.rows = w.out_channels;
    }
    elements_ += w.elements();
    plan_.weight_bytes += round_up(layout.row_bytes * layout.rows, kWeightAlignment);
    add_factors(layer, layout.rows);
    return layout;
  }

  void choose_tile(const net::Layer& layer, Step& step) const {
    const net::Activation& dst = activation(layer.dst);
    const Tensor& src = plan_.tensors[static_cast<size_t>(step.src)];
    step.variant = {.channels = power_for(dst.shape.channels),
                    .unit = power_for(src.pitch),
                    .signed_src = src.is_signed};
    if (dst.is_float) step.variant.channels = std::min(step.variant.channels, kMostLogitChannels);
    const int64_t widest = (kWidestBox - 1) / step.stride + 1;
    const auto balanced = [widest](int64_t size, int64_t most) {
      const int64_t limit = std::min({most, widest, size});
      return divide_up(size, divide_up(size, limit));
    };
    const int64_t x = balanced(dst.shape.width, kTilePixels);
    const int64_t y = balanced(dst.shape.height, kTilePixels / x);
    step.tile_x = static_cast<int>(x);
    step.tile_y = static_cast<int>(y);
    step.tile_n = static_cast<int>(kTilePixels / (x * y));
  }

  void add_factors(const net::Layer& layer, int64_t rows) {
    const std::vector<float> multipliers = net::multipliers(network_, layer);
    for (int64_t c = 0; c < rows; ++c) {
      const auto i = static_cast<size_t>(c);
      const bool real = c < layer.weights.out_channels;
      plan_.factors.push_back(real
                                  ? ChannelFactor{static_cast<float>(layer.bias[i]), multipliers[i]}
                                  : ChannelFactor{});
    }
    // The kernels read pairs of factors with 16-byte loads.
    if (plan_.factors.size() % 2 != 0) plan_.factors.emplace_back();
  }

  void move_image_steps_first() {
    std::stable_partition(plan_.steps.begin(), plan_.steps.end(), [](const Step& step) {
      return step.kind == StepKind::kPixels || step.kind == StepKind::kColumns;
    });
    plan_.step_of_layer.assign(network_.layers.size(), -1);
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      const Step& step = plan_.steps[i];
      if (static_cast<int64_t>(i) < image_steps_) continue;
      plan_.step_of_layer[static_cast<size_t>(step.layer)] = static_cast<int64_t>(i);
    }
  }

  void find_lifetimes() {
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      const Step& step = plan_.steps[i];
      const auto at = static_cast<int64_t>(i);
      if (step.dst >= 0) plan_.tensors[static_cast<size_t>(step.dst)].producer = at;
      for (const int64_t read : {step.src, step.skip}) {
        if (read >= 0) plan_.tensors[static_cast<size_t>(read)].last_use = at;
      }
    }
  }

  /// First fit: a tensor lies above all that live at the same time, as low as possible.
  void place_in_scratch() {
    std::vector<const Tensor*> placed;
    for (const Step& step : plan_.steps) {
      if (step.dst < 0) continue;
      Tensor& tensor = plan_.tensors[static_cast<size_t>(step.dst)];
      tensor.last_use = std::max(tensor.last_use, tensor.producer);
      std::vector<const Tensor*> alive;
      for (const Tensor* other : placed) {
        if (other->last_use >= tensor.producer) alive.push_back(other);
      }
      std::sort(alive.begin(), alive.end(),
                [](const Tensor* a, const Tensor* b) { return a->scratch < b->scratch; });
      int64_t offset = 0;
      for (const Tensor* other : alive) {
        if (offset + tensor.bytes() <= other->scratch) break;
        offset = std::max(offset, other->scratch + other->bytes());
      }
      tensor.scratch = offset;
      plan_.scratch_bytes = std::max(plan_.scratch_bytes, offset + tensor.bytes());
      placed.push_back(&tensor);
    }
  }

  const net::Network& network_;
  bool tile_kernels_;
  bool has_pixels_ = false;
  int64_t image_steps_ = 0;
  int64_t elements_ = 0;
  LayeredPlan plan_;
};

}  // namespace

LayeredPlan plan_layers(const net::Network& network, bool tile_kernels) {
  return Planner(network, tile_kernels).plan();
}

std::vector<int8_t> pack_weights(const net::Network& network, const LayeredPlan& plan) {
  std::vector<int8_t> packed(static_cast<size_t>(plan.weight_bytes));
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const WeightLayout& layout = plan.weights[i];
    const std::vector<int8_t>& codes = network.layers[i].weights.codes;
    for (size_t e = 0; e < codes.size(); ++e) {
      packed[static_cast<size_t>(layout.position(static_cast<int64_t>(e)))] =
          layout.value(codes[e]);
    }
  }
  return packed;
}

}  // namespace flatenn::engine::cuda
