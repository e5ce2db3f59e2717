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
/// Of a fixed-point factor, relative: real ones are worked out from float32 scales in any order.
constexpr double kFactorError = 1e-5;
constexpr double kSmallestFactor = 0x1p-32;
constexpr int64_t kMaxExtent = 1 << 16;
constexpr int64_t kMaxElements = int64_t{1} << 31;

std::string text(const Shape& shape) {
  return detail::concat(shape.channels, "x", shape.height, "x", shape.width);
}

int64_t window_outputs(int64_t extent, int64_t kernel, int64_t stride, int64_t pads) {
  return (extent + pads - kernel) / stride + 1;
}

/// From the first to the last row or column that a kernel reads.
int64_t reach(int64_t kernel, int64_t dilation) { return (kernel - 1) * dilation + 1; }

class Validator {
 public:
  explicit Validator(const Network& network)
      : network_(network), written_(network.activations.size(), false) {}

  void run() {
    FLATENN_CHECK(!network_.activations.empty() && !network_.layers.empty(), "network ",
                  network_.name, ": needs an image and at least one layer");
    for (const Activation& activation : network_.activations) check_activation(activation);
    FLATENN_CHECK(!network_.input().is_float, "network ", network_.name,
                  ": the image must be codes");
    check_image();
    written_[0] = true;
    for (const Layer& layer : network_.layers) check_layer(layer);
    for (size_t i = 0; i < written_.size(); ++i) {
      FLATENN_CHECK(written_[i], "activation ", network_.activations[i].name,
                    ": no layer writes it");
    }
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
    FLATENN_CHECK(activation.zero_point >= activation.min_code() &&
                      activation.zero_point <= activation.max_code(),
                  "activation ", activation.name, ": zero point ", activation.zero_point,
                  " is outside ", activation.min_code(), "..", activation.max_code());
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
      check_twin(layer);
    } else if (layer.pools()) {
      check_pool(layer, src, dst);
    } else if (layer.kind == LayerKind::kAdd || layer.kind == LayerKind::kMul) {
      check_pair(layer, src, dst);
    } else {
      check_choice(layer, src, dst);
    }
    FLATENN_CHECK(!dst.is_float || layer.dst == network_.layers.back().dst, "activation ", dst.name,
                  ": only logits may be float");
    check_requantization(layer, src, dst);
    FLATENN_CHECK(
        layer.low <= layer.high &&
            (dst.is_float || (layer.low <= dst.max_code() && layer.high >= dst.min_code())),
        "layer ", layer.name, ": limits ", layer.low, " and ", layer.high, " leave no code");
    written_[static_cast<size_t>(layer.dst)] = true;
  }

  /// The real factors that fixed-point ones stand for.
  std::vector<double> real_factors(const Layer& layer, double src, double dst) const {
    std::vector<double> result;
    if (layer.multiplies()) {
      for (const float scale : layer.weights.scales) {
        result.push_back(src * static_cast<double>(scale) / dst);
      }
    } else if (layer.kind == LayerKind::kAvgPool) {
      const Window& w = layer.window;
      result.push_back(src / (static_cast<double>(w.kernel_height * w.kernel_width) * dst));
    } else {
      const double other = static_cast<double>(
          network_.activations[static_cast<size_t>(layer.others.front())].scale);
      if (layer.kind == LayerKind::kMul) return {src * other / dst};
      const double unit = 2 * std::max(src, other);
      result = {src / unit, other / unit, unit / (dst * (1 << 20))};
    }
    return result;
  }

  void check_requantization(const Layer& layer, const Activation& src,
                            const Activation& dst) const {
    if (!layer.in_fixed_point()) {
      FLATENN_CHECK(layer.factors.empty(), "layer ", layer.name,
                    ": has fixed-point factors but requantizes in float");
      return;
    }
    FLATENN_CHECK(layer.rounds() && !dst.is_float && layer.skip < 0, "layer ", layer.name,
                  ": only layers that write codes, without a skip, requantize in fixed point");
    FLATENN_CHECK(layer.multiplies() || layer.requantization == Requantization::kFixedPoint,
                  "layer ", layer.name, ": only convolutions and linear layers round once");
    if (layer.kind == LayerKind::kAvgPool && layer.factors.empty()) {
      FLATENN_CHECK(src.scale == dst.scale && src.bits == dst.bits &&
                        src.is_signed == dst.is_signed && src.zero_point == dst.zero_point,
                    "layer ", layer.name, ": a mean of codes keeps bits, scale and zero point");
      return;
    }
    const Window& w = layer.window;
    FLATENN_CHECK(!layer.pools() || layer.count_padding ||
                      (w.top == 0 && w.left == 0 && w.bottom == 0 && w.right == 0),
                  "layer ", layer.name, ": a fixed-point average counts its padding");
    const std::vector<double> real =
        real_factors(layer, static_cast<double>(src.scale), static_cast<double>(dst.scale));
    FLATENN_CHECK(layer.factors.size() == real.size(), "layer ", layer.name, ": expected ",
                  real.size(), " fixed-point factors, got ", layer.factors.size());
    for (size_t i = 0; i < real.size(); ++i) {
      const FixedPoint& factor = layer.factors[i];
      FLATENN_CHECK(
          factor.multiplier >= 0 && factor.shift >= -31 && factor.shift <= 30 &&
              std::abs(factor.value() - real[i]) <= kFactorError * real[i] + kSmallestFactor,
          "layer ", layer.name, ": fixed-point factor ", factor.multiplier, " * 2^",
          factor.shift - 31, " is not near ", real[i]);
    }
  }

  /// One value or one a channel, all finite.
  void check_image() const {
    const auto channels = static_cast<size_t>(network_.input().shape.channels);
    for (const std::vector<float>* list : {&network_.image.factor, &network_.image.shift}) {
      FLATENN_CHECK(list->size() <= 1 || list->size() == channels, "network ", network_.name, ": ",
                    list->size(), " image factors for ", channels, " channels");
      for (const float value : *list) {
        FLATENN_CHECK(std::isfinite(value), "network ", network_.name, ": image factor ", value,
                      " is not finite");
      }
    }
  }

  static void check_window(const Layer& layer, const Shape& src, const Shape& dst, int64_t kernel_h,
                           int64_t kernel_w) {
    const Window& w = layer.window;
    const auto fits = [](int64_t step) { return step >= 1 && step <= kMaxExtent; };
    const auto pads = [](int64_t pad) { return pad >= 0 && pad < kMaxExtent; };
    FLATENN_CHECK(fits(w.stride_height) && fits(w.stride_width) && fits(w.dilation_height) &&
                      fits(w.dilation_width) && fits(kernel_h) && fits(kernel_w) && pads(w.top) &&
                      pads(w.left) && pads(w.bottom) && pads(w.right),
                  "layer ", layer.name, ": kernel ", kernel_h, "x", kernel_w, ", stride ",
                  w.stride_height, " and pad ", w.top, " make no window");
    const int64_t kh = reach(kernel_h, w.dilation_height);
    const int64_t kw = reach(kernel_w, w.dilation_width);
    const int64_t pads_h = w.top + w.bottom;
    const int64_t pads_w = w.left + w.right;
    FLATENN_CHECK(kh <= src.height + pads_h && kw <= src.width + pads_w, "layer ", layer.name,
                  ": kernel ", kh, "x", kw, " is larger than its input ", text(src));
    const int64_t height = window_outputs(src.height, kh, w.stride_height, pads_h);
    const int64_t width = window_outputs(src.width, kw, w.stride_width, pads_w);
    FLATENN_CHECK(dst.height == height && dst.width == width, "layer ", layer.name,
                  ": expected an output of ", height, "x", width, ", got ", text(dst));
  }

  void check_pair(const Layer& layer, const Activation& src, const Activation& dst) const {
    FLATENN_CHECK(layer.others.size() == 1, "layer ", layer.name, ": expected two inputs");
    const Activation& other = read(layer, layer.others.front(), "other");
    FLATENN_CHECK(src.shape == dst.shape && (other.shape == src.shape ||
                                             other.shape == Shape{.channels = src.shape.channels}),
                  "layer ", layer.name, ": ", text(src.shape), " and ", text(other.shape),
                  " do not make ", text(dst.shape));
  }

  /// Tables, moves and concatenations.
  void check_choice(const Layer& layer, const Activation& src, const Activation& dst) const {
    FLATENN_CHECK(!dst.is_float, "layer ", layer.name, ": writes codes, not float values");
    if (layer.kind == LayerKind::kTable) {
      const int64_t levels = src.max_code() - src.min_code() + 1;
      const int64_t size = std::ssize(layer.table);
      FLATENN_CHECK(
          src.shape == dst.shape && (size == levels || size == levels * src.shape.channels),
          "layer ", layer.name, ": a table of ", layer.table.size(), " codes does not fit ",
          src.bits, " bits");
      for (const int16_t code : layer.table) {
        FLATENN_CHECK(code >= dst.min_code() && code <= dst.max_code(), "layer ", layer.name,
                      ": its table holds ", code, ", which is no code of its output");
      }
      return;
    }
    int64_t channels = 0;
    for (const int64_t input : layer.inputs()) {
      const Activation& a = read(layer, input, "input");
      channels += a.shape.channels;
      FLATENN_CHECK(a.bits == dst.bits && a.is_signed == dst.is_signed && a.scale == dst.scale &&
                        a.zero_point == dst.zero_point,
                    "layer ", layer.name, ": ", a.name, " has other codes than ", dst.name);
      FLATENN_CHECK(layer.kind == LayerKind::kMove ||
                        (a.shape.height == dst.shape.height && a.shape.width == dst.shape.width),
                    "layer ", layer.name, ": ", text(a.shape), " does not join ", text(dst.shape));
    }
    if (layer.kind == LayerKind::kConcat) {
      FLATENN_CHECK(channels == dst.shape.channels, "layer ", layer.name, ": joins ", channels,
                    " channels to ", dst.shape.channels);
      return;
    }
    FLATENN_CHECK(static_cast<int64_t>(layer.order.size()) == dst.shape.elements(), "layer ",
                  layer.name, ": moves ", layer.order.size(), " codes to ", text(dst.shape));
    for (const int32_t element : layer.order) {
      FLATENN_CHECK(element >= 0 && element < src.shape.elements(), "layer ", layer.name,
                    ": reads element ", element, " of ", text(src.shape));
    }
  }

  void check_twin(const Layer& layer) const {
    if (layer.twin < 0) return;
    FLATENN_CHECK(
        static_cast<size_t>(layer.twin) < network_.layers.size() &&
            &network_.layers[static_cast<size_t>(layer.twin)] < &layer &&
            network_.layers[static_cast<size_t>(layer.twin)].twin < 0 &&
            network_.layers[static_cast<size_t>(layer.twin)].weights.codes == layer.weights.codes,
        "layer ", layer.name, ": shares the weights of layer ", layer.twin,
        ", which does not hold them");
  }

  static void check_codes(const Layer& layer, int low, int high) {
    int8_t least = 0;
    int8_t most = 0;
    for (const int8_t code : layer.weights.codes) {
      least = std::min(least, code);
      most = std::max(most, code);
    }
    FLATENN_CHECK(least >= low && most <= high, "layer ", layer.name, ": weight code ",
                  int{least < low ? least : most}, " is outside ", layer.weights.bits, " bits");
  }

  static void check_weights(const Layer& layer, const Activation& src, const Activation& dst) {
    const Weights& w = layer.weights;
    const int fewest = w.value_map == ValueMap::kOdd ? 1 : 2;
    FLATENN_CHECK(w.bits >= fewest && w.bits <= 8, "layer ", layer.name,
                  ": weight bits must be in ", fewest, "..8, got ", w.bits);
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
    check_codes(layer, low, -low - 1);
    FLATENN_CHECK(
        w.zero_points.empty() || (w.value_map == ValueMap::kCode &&
                                  (w.zero_points.size() == 1 ||
                                   static_cast<int64_t>(w.zero_points.size()) == w.out_channels)),
        "layer ", layer.name, ": ", w.zero_points.size(), " weight zero points for ",
        w.out_channels, " filters");
    for (const int zero : w.zero_points) {
      FLATENN_CHECK(zero >= low && zero <= -low - 1, "layer ", layer.name, ": weight zero point ",
                    zero, " is outside ", w.bits, " bits");
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
    int64_t value =
        w.value_map == ValueMap::kCode ? int64_t{1} << (w.bits - 1) : (int64_t{1} << w.bits) - 1;
    for (const int zero : w.zero_points) {
      value = std::max(value, (int64_t{1} << (w.bits - 1)) + std::abs(zero));
    }
    const int64_t code = std::max(int64_t{src.zero_point} - src.min_code(),
                                  int64_t{src.max_code()} - src.zero_point);
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
    const Window& w = layer.window;
    check_window(layer, src.shape, dst.shape, w.kernel_height, w.kernel_width);
    FLATENN_CHECK(src.shape.channels == dst.shape.channels, "layer ", layer.name, ": pools ",
                  text(src.shape), " into ", text(dst.shape));
    FLATENN_CHECK(layer.skip < 0, "layer ", layer.name, ": a pool adds nothing");
    // Each window then holds an element that is not padding.
    FLATENN_CHECK(std::max(w.top, w.bottom) < reach(w.kernel_height, w.dilation_height) &&
                      std::max(w.left, w.right) < reach(w.kernel_width, w.dilation_width),
                  "layer ", layer.name, ": pad ", std::max(w.top, w.left),
                  " is more than the window holds");
    if (layer.kind == LayerKind::kMaxPool) {
      FLATENN_CHECK(!dst.is_float && src.bits == dst.bits && src.scale == dst.scale &&
                        src.is_signed == dst.is_signed && src.zero_point == dst.zero_point,
                    "layer ", layer.name, ": a max-pool keeps bits and scale, sign and zero point");
    } else {
      FLATENN_CHECK(w.kernel_height * w.kernel_width <= 1 << 16, "layer ", layer.name,
                    ": a window of ", w.kernel_height, "x", w.kernel_width, " is too large");
    }
  }

  const Network& network_;
  std::vector<bool> written_;
};

}  // namespace

void Network::validate() const { Validator(*this).run(); }

}  // namespace flatenn::net
