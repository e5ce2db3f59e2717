#include <algorithm>
#include <cmath>
#include <utility>

#include "flatenn/base/random.h"
#include "net/testing.h"

namespace flatenn::net::testing {
namespace {

constexpr int kLayers = 14;

/// Appends random layers of every kind; each reads what some earlier one wrote.
class AnyBuilder {
 public:
  explicit AnyBuilder(uint64_t seed) : random_(seed, 1, RandomPurpose::kInitialization) {
    fixed_point_ = seed % 4 == 0;
    network_.name = "any" + std::to_string(seed);
    network_.activations.push_back(
        activation({.channels = number(1, 4), .height = number(7, 13), .width = number(7, 13)}));
    network_.activations[0].bits = 8;
    fit_zero_point(network_.activations[0]);
  }

  Network finish() {
    conv(0);
    while (std::ssize(network_.layers) < kLayers) any();
    logits();
    network_.metadata["dataset"] = "random";
    network_.validate();
    return std::move(network_);
  }

 private:
  int64_t number(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_.below(static_cast<uint64_t>(high - low + 1)));
  }
  bool chance(uint64_t of) { return random_.below(of) == 0; }

  Activation& at(int64_t index) { return network_.activations[static_cast<size_t>(index)]; }
  int64_t any_source() {
    // Mostly the last ones, so that networks get deep.
    const int64_t count = std::ssize(network_.activations);
    return chance(4) ? number(0, count - 1) : number(std::max<int64_t>(0, count - 3), count - 1);
  }

  void fit_zero_point(Activation& a) {
    a.zero_point = chance(3) ? 0 : static_cast<int>(number(a.min_code(), a.max_code()));
  }
  Activation activation(const Shape& shape) {
    Activation a{.name = "a" + std::to_string(network_.activations.size()),
                 .shape = shape,
                 .bits = static_cast<int>(chance(2) ? 8 : number(2, 8)),
                 .is_signed = chance(2),
                 .scale = static_cast<float>(0.01 + 0.05 * random_.uniform())};
    fit_zero_point(a);
    return a;
  }

  void any() {
    switch (number(0, 9)) {
      case 0:
        return pool(any_source(), LayerKind::kMaxPool);
      case 1:
        return pool(any_source(), LayerKind::kAvgPool);
      case 2:
        return pair(any_source());
      case 3:
        return join(any_source());
      case 4:
        return look_up(any_source());
      case 5:
        return move(any_source());
      default:
        return conv(any_source());
    }
  }

  Layer layer(LayerKind kind, int64_t src) {
    Layer result{.name = "layer" + std::to_string(network_.layers.size()),
                 .kind = kind,
                 .src = src,
                 .dst = std::ssize(network_.activations)};
    result.relu = result.rounds() && chance(3);
    return result;
  }

  /// Sometimes narrower limits, as a fused clip has.
  void add(Layer layer, Activation dst) {
    if (layer.rounds() && !dst.is_float && chance(3)) {
      layer.low = static_cast<int>(number(dst.min_code(), dst.zero_point));
      layer.high = static_cast<int>(number(dst.zero_point, dst.max_code()));
    }
    if (fixed_point_ && layer.rounds() && layer.skip < 0 && !dst.is_float)
      use_fixed_point(layer, dst);
    network_.activations.push_back(std::move(dst));
    network_.layers.push_back(std::move(layer));
  }

  /// With the factors that the scales make.
  void use_fixed_point(Layer& layer, const Activation& dst) {
    layer.requantization = Requantization::kFixedPoint;
    const auto src = static_cast<double>(at(layer.src).scale);
    const auto out = static_cast<double>(dst.scale);
    if (layer.multiplies()) {
      if (chance(2)) layer.requantization = Requantization::kFixedPointOnce;
      for (const float scale : layer.weights.scales) {
        layer.factors.push_back(fixed_point(src * static_cast<double>(scale) / out));
      }
    } else if (layer.kind == LayerKind::kAvgPool) {
      layer.count_padding = true;
      const Window& w = layer.window;
      const auto count = static_cast<double>(w.kernel_height * w.kernel_width);
      layer.factors.push_back(fixed_point(src / (count * out)));
    } else {
      const auto other = static_cast<double>(at(layer.others.front()).scale);
      if (layer.kind == LayerKind::kMul) {
        layer.factors.push_back(fixed_point(src * other / out));
      } else {
        const double twice = 2 * std::max(src, other);
        layer.factors = {fixed_point(src / twice), fixed_point(other / twice),
                         fixed_point(twice / (out * (1 << 20)))};
      }
    }
  }

  /// Kernels that fit an extent with its padding; returns the output's extent.
  int64_t window(int64_t extent, int64_t& kernel, int64_t& stride, int64_t& dilation,
                 int64_t& before, int64_t& after) {
    kernel = number(1, 4);
    stride = number(1, 2);
    dilation = chance(3) ? 2 : 1;
    before = std::min(number(0, 2), kernel - 1);
    after = std::min(number(0, 2), kernel - 1);
    while ((kernel - 1) * dilation + 1 > extent + before + after) {
      if (dilation > 1) {
        dilation = 1;
      } else {
        --kernel;
      }
    }
    return (extent + before + after - (kernel - 1) * dilation - 1) / stride + 1;
  }
  Shape window(Window& w, const Shape& in, int64_t channels) {
    Shape out{.channels = channels};
    out.height =
        window(in.height, w.kernel_height, w.stride_height, w.dilation_height, w.top, w.bottom);
    out.width = window(in.width, w.kernel_width, w.stride_width, w.dilation_width, w.left, w.right);
    return out;
  }

  void fill(Layer& layer, int64_t out_channels, int64_t in_channels) {
    Weights& w = layer.weights;
    w.out_channels = out_channels;
    w.in_channels = in_channels;
    w.value_map = chance(5) ? ValueMap::kOdd : ValueMap::kCode;
    w.bits = static_cast<int>(w.value_map == ValueMap::kOdd ? number(1, 7) : number(2, 8));
    const int64_t half = int64_t{1} << (w.bits - 1);
    for (int64_t i = 0; i < w.elements(); ++i) {
      w.codes.push_back(static_cast<int8_t>(number(-half, half - 1)));
    }
    if (w.value_map == ValueMap::kCode && chance(3)) {
      const int64_t count = chance(2) ? out_channels : 1;
      for (int64_t c = 0; c < count; ++c) {
        w.zero_points.push_back(static_cast<int>(number(-half, half - 1)));
      }
    }
    const Activation& src = at(layer.src);
    const double deviation = std::sqrt(static_cast<double>(w.fan_in())) *
                             (src.max_code() - src.min_code()) * static_cast<double>(2 * half) / 12;
    const int64_t scales = chance(2) ? out_channels : 1;
    for (int64_t c = 0; c < scales; ++c) {
      w.scales.push_back(static_cast<float>((0.5 + random_.uniform()) / deviation));
    }
    for (int64_t c = 0; c < out_channels; ++c) {
      layer.bias.push_back(static_cast<int32_t>(random_.normal() * deviation));
    }
  }
  /// So that the sums spread over the codes.
  void fit_scale(Activation& dst, const Layer& layer) {
    dst.scale = static_cast<float>(at(layer.src).scale * 4.0 / (1 << dst.bits));
  }

  void conv(int64_t src) {
    const Shape in = at(src).shape;
    Layer conv = layer(LayerKind::kConv, src);
    int64_t channels = number(1, 35);
    if (chance(3)) {
      channels = conv.groups = in.channels;
    } else if (in.channels % 2 == 0 && chance(3)) {
      conv.groups = 2;
      channels = 2 * number(1, 19);
    }
    const Shape out = window(conv.window, in, channels);
    conv.weights.kernel_height = std::exchange(conv.window.kernel_height, 1);
    conv.weights.kernel_width = std::exchange(conv.window.kernel_width, 1);
    fill(conv, channels, in.channels / conv.groups);
    Activation dst = activation(out);
    fit_scale(dst, conv);
    for (int64_t a = 0; a < std::ssize(network_.activations); ++a) {
      if (at(a).shape == out && chance(2)) conv.skip = a;
    }
    Layer twin = conv;
    Activation other = activation(out);
    other.scale = 2 * dst.scale;
    add(std::move(conv), std::move(dst));
    if (!chance(5)) return;
    twin.twin = std::ssize(network_.layers) - 1;
    twin.name += "_twin";
    twin.dst = std::ssize(network_.activations);
    other.name = twin.name;
    add(std::move(twin), std::move(other));
  }

  void pool(int64_t src, LayerKind kind) {
    const Activation in = at(src);
    Layer pool = layer(kind, src);
    const Shape out = window(pool.window, in.shape, in.shape.channels);
    Activation dst = in;
    dst.name = pool.name;
    if (kind == LayerKind::kAvgPool) {
      dst = activation(out);
      dst.scale = in.scale;
      pool.count_padding = chance(2);
    }
    dst.shape = out;
    add(std::move(pool), std::move(dst));
  }

  /// A sum or product with one of the same shape, or one value a channel.
  void pair(int64_t src) {
    const Shape shape = at(src).shape;
    std::vector<int64_t> fitting = {src};
    for (int64_t a = 0; a < std::ssize(network_.activations); ++a) {
      if (at(a).shape == shape || at(a).shape == Shape{shape.channels}) fitting.push_back(a);
    }
    if (chance(3)) fitting = {mean(src)};
    Layer pair = layer(chance(2) ? LayerKind::kAdd : LayerKind::kMul, src);
    pair.others = {fitting[static_cast<size_t>(number(0, std::ssize(fitting) - 1))]};
    Activation dst = activation(shape);
    if (pair.kind == LayerKind::kMul) dst.scale *= 0.5F;
    add(std::move(pair), std::move(dst));
  }
  int64_t mean(int64_t src) {
    Layer pool = layer(LayerKind::kAvgPool, src);
    pool.window.kernel_height = at(src).shape.height;
    pool.window.kernel_width = at(src).shape.width;
    Activation dst = activation({.channels = at(src).shape.channels});
    add(std::move(pool), std::move(dst));
    return std::ssize(network_.activations) - 1;
  }

  /// Concatenates what has the same codes and extent; at least itself twice.
  void join(int64_t src) {
    const Activation in = at(src);
    Layer join = layer(LayerKind::kConcat, src);
    Activation dst = in;
    dst.name = join.name;
    for (int64_t a = src; a < std::ssize(network_.activations); ++a) {
      const Activation& other = at(a);
      if (other.bits != in.bits || other.is_signed != in.is_signed || other.scale != in.scale ||
          other.zero_point != in.zero_point || other.shape.height != in.shape.height ||
          other.shape.width != in.shape.width) {
        continue;
      }
      join.others.push_back(a);
      dst.shape.channels += other.shape.channels;
    }
    add(std::move(join), std::move(dst));
  }

  void look_up(int64_t src) {
    const Activation in = at(src);
    Layer table = layer(LayerKind::kTable, src);
    Activation dst = activation(in.shape);
    const int64_t levels = in.max_code() - in.min_code() + 1;
    const int64_t size = levels * (chance(2) ? in.shape.channels : 1);
    for (int64_t i = 0; i < size; ++i) {
      table.table.push_back(static_cast<int16_t>(number(dst.min_code(), dst.max_code())));
    }
    add(std::move(table), std::move(dst));
  }

  /// Another shape of as many elements, in a random order.
  void move(int64_t src) {
    const Activation in = at(src);
    Layer move = layer(LayerKind::kMove, src);
    Activation dst = in;
    dst.name = move.name;
    dst.shape = {.channels = in.shape.width, .height = in.shape.channels, .width = in.shape.height};
    for (int64_t i = 0; i < in.shape.elements(); ++i) {
      move.order.push_back(static_cast<int32_t>(number(0, in.shape.elements() - 1)));
    }
    add(std::move(move), std::move(dst));
  }

  void logits() {
    const int64_t src = std::ssize(network_.activations) - 1;
    Layer last = layer(LayerKind::kLinear, src);
    Activation dst = activation({.channels = 10});
    if (chance(4)) {  // A mean or a sum may be the last layer too.
      last.kind = chance(2) ? LayerKind::kAvgPool : LayerKind::kAdd;
      last.others.assign(last.kind == LayerKind::kAdd ? 1 : 0, src);
      dst.shape = at(src).shape;
    } else {
      fill(last, 10, at(src).shape.elements());
      fit_scale(dst, last);
    }
    dst.is_float = chance(2);
    add(std::move(last), std::move(dst));
  }

  RandomStream random_;
  bool fixed_point_ = false;  ///< Of all layers that may be.
  Network network_;
};

}  // namespace

Network any_network(uint64_t seed) { return AnyBuilder(seed).finish(); }

}  // namespace flatenn::net::testing
