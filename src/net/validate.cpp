#include <algorithm>
#include <cmath>
#include <limits>

#include "flatenn/base/error.h"
#include "flatenn/net/network.h"

/// Network::validate: every rule the engines rely on, each with a message that names its place.
namespace flatenn::net {
namespace {

/// Above any multiplier a real network has, and low enough that y and its skip stay finite.
constexpr float kMaxMultiplier = 1e20F;
constexpr int64_t kMaxExtent = 1 << 16;
constexpr int64_t kMaxElements = int64_t{1} << 31;

std::string text(const Shape& shape) {
  return detail::concat(shape.channels, "x", shape.height, "x", shape.width);
}

int64_t window_outputs(int64_t extent, int64_t kernel, int64_t stride, int64_t pad) {
  return (extent + 2 * pad - kernel) / stride + 1;
}

class Validator {
 public:
  explicit Validator(const Network& network)
      : network_(network), written_(network.activations.size(), false) {}

  void run() {
    FLATENN_CHECK(!network_.activations.empty() && !network_.layers.empty(), "network ",
                  network_.name, ": needs an image and at least one layer");
    for (const Activation& activation : network_.activations) check_activation(activation);
    FLATENN_CHECK(!network_.input().is_float && network_.input().is_signed, "network ",
                  network_.name, ": the image must be signed codes");
    written_[0] = true;
    for (const Layer& layer : network_.layers) check_layer(layer);
    for (size_t i = 0; i < written_.size(); ++i) {
      FLATENN_CHECK(written_[i], "activation ", network_.activations[i].name,
                    ": no layer writes it");
    }
    FLATENN_CHECK(network_.logits().is_float, "layer ", network_.layers.back().name,
                  ": the last layer must write float logits");
  }

 private:
  static void check_activation(const Activation& activation) {
    const Shape& shape = activation.shape;
    const auto fits = [](int64_t extent) { return extent >= 1 && extent <= kMaxExtent; };
    FLATENN_CHECK(fits(shape.channels) && fits(shape.height) && fits(shape.width) &&
                      shape.elements() < kMaxElements,
                  "activation ", activation.name, ": shape ", text(shape),
                  " has an extent outside 1..65536");
    if (activation.is_float) return;
    FLATENN_CHECK(activation.bits >= 2 && activation.bits <= 8, "activation ", activation.name,
                  ": bits must be in 2..8, got ", activation.bits);
    FLATENN_CHECK(std::isfinite(activation.scale) && activation.scale > 0, "activation ",
                  activation.name, ": scale must be positive, got ", activation.scale);
  }

  const Activation& read(const Layer& layer, int64_t index, const char* what) const {
    FLATENN_CHECK(index >= 0 && static_cast<size_t>(index) < written_.size(), "layer ", layer.name,
                  ": ", what, " is activation ", index, " of ", written_.size());
    const Activation& activation = network_.activations[static_cast<size_t>(index)];
    FLATENN_CHECK(written_[static_cast<size_t>(index)], "layer ", layer.name, ": reads ",
                  activation.name, ", which no earlier layer wrote");
    FLATENN_CHECK(!activation.is_float, "layer ", layer.name, ": reads ", activation.name,
                  ", which is float");
    return activation;
  }

  void check_layer(const Layer& layer) {
    const Activation& src = read(layer, layer.src, "src");
    FLATENN_CHECK(layer.dst >= 0 && static_cast<size_t>(layer.dst) < written_.size(), "layer ",
                  layer.name, ": dst is activation ", layer.dst, " of ", written_.size());
    const Activation& dst = network_.activations[static_cast<size_t>(layer.dst)];
    FLATENN_CHECK(!written_[static_cast<size_t>(layer.dst)], "layer ", layer.name, ": writes ",
                  dst.name, ", which is written already");
    if (layer.multiplies()) {
      check_weights(layer, src, dst);
      check_skip(layer, dst);
      check_multipliers(layer);
    } else {
      check_pool(layer, src, dst);
    }
    written_[static_cast<size_t>(layer.dst)] = true;
  }

  static void check_window(const Layer& layer, const Shape& src, const Shape& dst, int64_t kh,
                           int64_t kw) {
    FLATENN_CHECK(layer.stride >= 1 && layer.pad >= 0 && layer.pad < kMaxExtent && kh >= 1 &&
                      kw >= 1 && layer.stride <= kMaxExtent,
                  "layer ", layer.name, ": kernel ", kh, "x", kw, ", stride ", layer.stride,
                  " and pad ", layer.pad, " make no window");
    FLATENN_CHECK(kh <= src.height + 2 * layer.pad && kw <= src.width + 2 * layer.pad, "layer ",
                  layer.name, ": kernel ", kh, "x", kw, " is larger than its input ", text(src));
    const int64_t height = window_outputs(src.height, kh, layer.stride, layer.pad);
    const int64_t width = window_outputs(src.width, kw, layer.stride, layer.pad);
    FLATENN_CHECK(dst.height == height && dst.width == width, "layer ", layer.name,
                  ": expected an output of ", height, "x", width, ", got ", text(dst));
  }

  static void check_weights(const Layer& layer, const Activation& src, const Activation& dst) {
    const Weights& w = layer.weights;
    FLATENN_CHECK(w.bits >= 2 && w.bits <= 8, "layer ", layer.name,
                  ": weight bits must be in 2..8, got ", w.bits);
    FLATENN_CHECK(w.value_map == ValueMap::kCode || w.bits <= 7, "layer ", layer.name,
                  ": odd values need at most 7 bits, got ", w.bits);
    FLATENN_CHECK(w.out_channels == dst.shape.channels, "layer ", layer.name, ": has ",
                  w.out_channels, " filters but an output of ", text(dst.shape));
    check_geometry(layer, src.shape, dst.shape);
    FLATENN_CHECK(static_cast<int64_t>(w.codes.size()) == w.elements(), "layer ", layer.name,
                  ": expected ", w.elements(), " weight codes, got ", w.codes.size());
    FLATENN_CHECK(static_cast<int64_t>(layer.bias.size()) == w.out_channels, "layer ", layer.name,
                  ": expected ", w.out_channels, " biases, got ", layer.bias.size());
    const int low = -(1 << (w.bits - 1));
    for (const int8_t code : w.codes) {
      FLATENN_CHECK(code >= low && code <= -low - 1, "layer ", layer.name, ": weight code ",
                    int{code}, " is outside ", w.bits, " bits");
    }
    check_accumulator(layer, src);
  }

  static void check_geometry(const Layer& layer, const Shape& src, const Shape& dst) {
    const Weights& w = layer.weights;
    if (layer.kind == LayerKind::kLinear) {
      FLATENN_CHECK(w.kernel_height == 1 && w.kernel_width == 1 && layer.groups == 1, "layer ",
                    layer.name, ": a linear layer has a 1x1 kernel and one group");
      FLATENN_CHECK(w.in_channels == src.elements(), "layer ", layer.name, ": takes ",
                    w.in_channels, " inputs but reads ", text(src));
      FLATENN_CHECK(dst.height == 1 && dst.width == 1, "layer ", layer.name,
                    ": a linear layer writes a vector, got ", text(dst));
      return;
    }
    FLATENN_CHECK(
        layer.groups >= 1 && src.channels % layer.groups == 0 && w.out_channels % layer.groups == 0,
        "layer ", layer.name, ": ", layer.groups, " groups do not divide ", src.channels,
        " inputs and ", w.out_channels, " outputs");
    FLATENN_CHECK(w.in_channels == src.channels / layer.groups, "layer ", layer.name,
                  ": filters of ", w.in_channels, " channels in ", layer.groups,
                  " groups do not fit an input of ", text(src));
    check_window(layer, src, dst, w.kernel_height, w.kernel_width);
  }

  static void check_accumulator(const Layer& layer, const Activation& src) {
    const Weights& w = layer.weights;
    const int64_t value =
        w.value_map == ValueMap::kCode ? int64_t{1} << (w.bits - 1) : (int64_t{1} << w.bits) - 1;
    const int64_t code = std::max(-int64_t{src.min_code()}, int64_t{src.max_code()});
    FLATENN_CHECK(w.fan_in() <= std::numeric_limits<int32_t>::max() / (value * code), "layer ",
                  layer.name, ": ", w.fan_in(), " products of up to ", value * code,
                  " could leave 32 bits");
  }

  void check_skip(const Layer& layer, const Activation& dst) const {
    if (layer.skip < 0) return;
    const Activation& skip = read(layer, layer.skip, "skip");
    FLATENN_CHECK(skip.shape == dst.shape, "layer ", layer.name, ": adds ", text(skip.shape),
                  " to ", text(dst.shape));
  }

  void check_multipliers(const Layer& layer) const {
    const Weights& w = layer.weights;
    FLATENN_CHECK(w.scales.size() == 1 || static_cast<int64_t>(w.scales.size()) == w.out_channels,
                  "layer ", layer.name, ": expected 1 or ", w.out_channels, " weight scales, got ",
                  w.scales.size());
    const std::vector<float> all = multipliers(network_, layer);
    for (size_t c = 0; c < all.size(); ++c) {
      FLATENN_CHECK(std::abs(all[c]) <= kMaxMultiplier, "layer ", layer.name, ": multiplier ",
                    all[c], " of channel ", c, " is not within 1e20");
    }
    FLATENN_CHECK(skip_multiplier(network_, layer) <= kMaxMultiplier, "layer ", layer.name,
                  ": the skip's multiplier is not within 1e20");
  }

  static void check_pool(const Layer& layer, const Activation& src, const Activation& dst) {
    check_window(layer, src.shape, dst.shape, layer.kernel, layer.kernel);
    FLATENN_CHECK(src.shape.channels == dst.shape.channels, "layer ", layer.name, ": pools ",
                  text(src.shape), " into ", text(dst.shape));
    FLATENN_CHECK(!dst.is_float && layer.skip < 0, "layer ", layer.name,
                  ": a pool writes codes and adds nothing");
    FLATENN_CHECK(src.is_signed == dst.is_signed, "layer ", layer.name,
                  ": a pool keeps the sign of its codes");
    if (layer.kind == LayerKind::kMaxPool) {
      FLATENN_CHECK(2 * layer.pad <= layer.kernel, "layer ", layer.name, ": pad ", layer.pad,
                    " is more than half the window of ", layer.kernel);
      FLATENN_CHECK(src.bits == dst.bits && src.scale == dst.scale, "layer ", layer.name,
                    ": a max-pool keeps bits and scale");
    } else {
      FLATENN_CHECK(layer.pad == 0, "layer ", layer.name, ": an average pool has no padding");
      FLATENN_CHECK(layer.kernel * layer.kernel <= 1 << 16, "layer ", layer.name, ": a window of ",
                    layer.kernel, "x", layer.kernel, " is too large");
    }
  }

  const Network& network_;
  std::vector<bool> written_;
};

}  // namespace

void Network::validate() const { Validator(*this).run(); }

}  // namespace flatenn::net
