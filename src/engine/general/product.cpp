#include "engine/general/product.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/general/winograd.h"

namespace flatenn::engine::general {
namespace {

using net::Layer;
using net::Network;

/// What a panel reads and writes: it stays in the second cache while all blocks pass over it,
/// beside a block's weights.
constexpr int64_t kPanelBytes = int64_t{160} << 10;
/// What a panel of a depthwise convolution reads in some rows: it stays in the first cache.
constexpr int64_t kRowsBytes = int64_t{24} << 10;
constexpr int64_t kRows = 3;

/// A linear layer is a convolution whose kernel is as large as its source.
struct Extent {
  int64_t height;
  int64_t width;
};
Extent kernel_of(const Layer& layer, const net::Shape& src) {
  if (layer.kind == net::LayerKind::kLinear) return {src.height, src.width};
  return {layer.weights.kernel_height, layer.weights.kernel_width};
}

/// To whole packs: each row for itself where one leaves room for a neighbour.
void fill_up_taps(Product& product, const Extent& kernel, const net::Window& window,
                  const Plane& src) {
  if (product.pack > 2 && kernel.width == product.pack - 1 && window.dilation_width == 1 &&
      window.stride_width == 1) {
    product.neighbour = src.channels;
    for (int64_t y = kernel.height; y > 0; --y) {
      const auto end = product.taps.begin() + y * kernel.width;
      product.taps.insert(end, static_cast<int32_t>(*(end - 1) + src.channels));
    }
  }
  while (std::ssize(product.taps) % product.pack != 0) product.taps.push_back(0);
}

void add_taps(Product& product, const Layer& layer, const Plane& src) {
  const Extent kernel = kernel_of(layer, src.shape);
  const net::Window& w = layer.window;
  for (int64_t y = 0; y < kernel.height; ++y) {
    for (int64_t x = 0; x < (product.merged ? 1 : kernel.width); ++x) {
      product.taps.push_back(static_cast<int32_t>(y * w.dilation_height * src.row() +
                                                  x * w.dilation_width * src.channels));
    }
  }
  if (product.depthwise) fill_up_taps(product, kernel, w, src);
  const int64_t together = product.merged ? kernel.width * src.channels : product.group_in;
  product.packs = (together + product.pack - 1) / product.pack;
  const std::vector<int32_t> once = product.taps;
  for (int64_t part = 1; part < product.parts; ++part) {
    product.taps.insert(product.taps.end(), once.begin(), once.end());
  }
}

void add_offsets(Product& product, const Network& network, const Layer& layer,
                 const std::vector<Plane>& planes, int64_t images) {
  const Plane& src = planes[static_cast<size_t>(layer.src)];
  const Plane& dst = planes[static_cast<size_t>(layer.dst)];
  const bool logits = network.activations[static_cast<size_t>(layer.dst)].is_float;
  const net::Window& w = layer.window;
  const auto add = [](std::vector<int32_t>& to, int64_t offset) {
    to.push_back(static_cast<int32_t>(offset));
  };
  product.image_pixels = dst.shape.height * dst.shape.width;
  for (int64_t i = 0; i < images; ++i) {
    for (int64_t y = 0; y < dst.shape.height; ++y) {
      for (int64_t x = 0; x < dst.shape.width; ++x) {
        add(product.src_offsets,
            src.pixel(i, y * w.stride_height - w.top, x * w.stride_width - w.left));
        add(product.dst_offsets,
            logits ? i * dst.shape.elements() + y * dst.shape.width + x : dst.pixel(i, y, x));
        if (layer.skip >= 0) {
          add(product.skip_offsets, planes[static_cast<size_t>(layer.skip)].pixel(i, y, x));
        }
      }
    }
  }
}

/// ReLU and the clamp to codes, in words.
void set_limits(Product& product, const Network& network, const Layer& layer) {
  const net::Activation& dst = network.activations[static_cast<size_t>(layer.dst)];
  product.low = -std::numeric_limits<float>::infinity();
  product.high = std::numeric_limits<float>::infinity();
  if (!dst.is_float) {
    product.low = static_cast<float>(std::max(dst.min_code(), layer.low) - dst.zero_point);
    product.high = static_cast<float>(std::min(dst.max_code(), layer.high) - dst.zero_point);
  }
  if (layer.relu) product.low = std::max(product.low, 0.0F);
}

/// The bounds of a code and those of the layer agree, and y stays in 32 bits whatever the sums.
bool saturates(const Product& product, const std::vector<float>& multipliers) {
  constexpr float kLargest = 0.25F;
  constexpr float kLargestOfSkip = 1U << 20;
  constexpr int kHighest = std::numeric_limits<uint8_t>::max();
  return product.low == static_cast<float>(product.least) &&
         product.high == static_cast<float>(product.least + kHighest) &&
         std::abs(product.skip_multiplier) < kLargestOfSkip &&
         std::ranges::all_of(multipliers, [](float m) { return std::abs(m) < kLargest; });
}

/// Parts that hold any value of a layer.
template <class Store>
int64_t parts_of(const net::Weights& w) {
  using Limits = std::numeric_limits<typename Store::Weight>;
  int64_t most = 1;
  for (int64_t channel = 0; channel < w.out_channels; ++channel) {
    for (const int code : {-(1 << (w.bits - 1)), (1 << (w.bits - 1)) - 1}) {
      const int64_t value = w.value(static_cast<int8_t>(code), channel);
      const int64_t bound = value < 0 ? Limits::min() : Limits::max();
      most = std::max(most, (value + bound - (value < 0 ? -1 : 1)) / bound);
    }
  }
  return most;
}

int64_t panel_of(const Product& product, const Layer& layer, const Plane& src, int64_t code_bytes) {
  const int64_t read = src.channels * layer.window.stride_width * code_bytes;
  if (product.depthwise) {
    constexpr int64_t kTile = 4;
    return std::max(kRowsBytes / (kRows * read) / kTile, int64_t{2}) * kTile;
  }
  const int64_t written = product.groups * product.group_out * code_bytes;
  const int64_t tiles = kPanelBytes / (read * layer.window.stride_height + written) / kMostPixels;
  return std::max(tiles, int64_t{2}) * kMostPixels;
}

}  // namespace

int64_t Product::word(const net::Weights& weights, const Plane& src, bool linear,
                      int64_t element) const {
  const int64_t height = linear ? src.shape.height : weights.kernel_height;
  const int64_t width = linear ? src.shape.width : weights.kernel_width;
  const int64_t x = element % width;
  const int64_t y = element / width % height;
  const int64_t in = element / (width * height) % group_in;
  const int64_t out_lane = lane(element / weights.fan_in());
  const int64_t block = out_lane / kBlock;
  if (depthwise) {
    const int64_t tap = y * (neighbour > 0 ? width + 1 : width) + x;
    const int64_t row = block * (tap_count() / pack) + tap / pack;
    return (row * kBlock + out_lane % kBlock) * pack + tap % pack;
  }
  const int64_t tap = merged ? y : y * width + x;
  const int64_t k = merged ? x * src.channels + in : in;
  const int64_t row = (block * tap_count() + tap) * packs + k / pack;
  return (row * kBlock + out_lane % kBlock) * pack + k % pack;
}

template <class Store>
Product make_product(const Network& network, const Layer& layer, const std::vector<Plane>& planes,
                     int64_t images) {
  const net::Weights& w = layer.weights;
  const Plane& src = planes[static_cast<size_t>(layer.src)];
  const Plane& dst = planes[static_cast<size_t>(layer.dst)];
  Product product{.pack = Store::kPack, .parts = parts_of<Store>(w)};
  product.least = dst.least;
  product.src_least = src.least;
  if (layer.skip >= 0) product.skip_least = planes[static_cast<size_t>(layer.skip)].least;
  product.depthwise = layer.kind == net::LayerKind::kConv && layer.groups > 1 &&
                      w.in_channels == 1 && w.out_channels == layer.groups;
  product.groups = product.depthwise ? 1 : layer.groups;
  product.group_in = layer.kind == net::LayerKind::kLinear ? src.shape.channels : w.in_channels;
  product.group_out = w.out_channels / product.groups;
  product.blocks = (product.group_out + kBlock - 1) / kBlock;
  const net::Shape& out = network.activations[static_cast<size_t>(layer.dst)].shape;
  if (!Store::kOffset && suits_winograd(network, layer))
    product.tiles = make_tiles(layer, src, out, images);
  const int64_t whole_packs = (product.group_in + Store::kPack - 1) / Store::kPack * Store::kPack;
  product.merged = !product.tiles && layer.groups == 1 && layer.window.dilation_width == 1 &&
                   (src.channels == product.group_in || src.channels == whole_packs);
  add_taps(product, layer, src);
  add_offsets(product, network, layer, planes, images);
  set_limits(product, network, layer);
  product.panel = panel_of(product, layer, src, sizeof(typename Store::Code));
  product.skip_multiplier = net::skip_multiplier(network, layer);
  product.multipliers.resize(static_cast<size_t>(product.groups * product.blocks * kBlock));
  const std::vector<float> multipliers = net::multipliers(network, layer);
  product.saturates = saturates(product, multipliers);
  for (int64_t c = 0; c < w.out_channels; ++c) {
    product.multipliers[static_cast<size_t>(product.lane(c))] = multipliers[static_cast<size_t>(c)];
  }
  if (layer.in_fixed_point()) {
    product.rounds_once = layer.requantization == net::Requantization::kFixedPointOnce;
    product.factors.resize(product.multipliers.size());
    for (int64_t c = 0; c < w.out_channels; ++c) {
      const size_t from = layer.factors.size() == 1 ? 0 : static_cast<size_t>(c);
      product.factors[static_cast<size_t>(product.lane(c))] = layer.factors[from];
    }
  }
  return product;
}

template <class Store>
Output<Store> output_of(const Product& p, const ProductOperands<Store>& operands, int64_t group,
                        int64_t block, int64_t first_pixel) {
  const int64_t lane = (group * p.blocks + block) * kBlock;
  const int64_t channel = group * p.group_out + block * kBlock;
  Output<Store> output{.bias = operands.bias + lane,
                       .multiplier = &p.multipliers[static_cast<size_t>(lane)],
                       .low = p.low,
                       .high = p.high,
                       .channels = kBlock,
                       .dst_offsets = p.dst_offsets.data() + first_pixel,
                       .least = p.least,
                       .saturates = p.saturates};
  // Planes end with a whole block, so only blocks between groups and logits stop where they must.
  if (p.groups > 1 || operands.logits != nullptr) {
    output.channels = std::min(kBlock, p.group_out - block * kBlock);
  }
  if (operands.logits != nullptr) {
    output.logits = operands.logits + channel * p.image_pixels;
    output.logit_stride = p.image_pixels;
  } else {
    output.dst = operands.dst + channel;
  }
  if (operands.skip != nullptr) {
    output.skip = operands.skip + channel;
    output.skip_offsets = p.skip_offsets.data() + first_pixel;
    output.skip_least = p.skip_least;
    output.skip_multiplier = p.skip_multiplier;
  }
  return output;
}

namespace {

/// What becomes of the sums of one block in fixed point.
template <class Store>
void write_fixed_point(const Product& p, const ProductOperands<Store>& operands,
                       const Output<Store>& output, int64_t lane, int64_t pixels) {
  using Code = typename Store::Code;
  const auto low = static_cast<int32_t>(p.low);
  const auto high = static_cast<int32_t>(p.high);
  for (int64_t pixel = 0; pixel < pixels; ++pixel) {
    const int32_t* sums = output.sums + pixel * kBlock;
    Code* dst = output.dst + output.dst_offsets[pixel];
    for (int64_t c = 0; c < output.channels; ++c) {
      const int64_t sum = int64_t{sums[c]} + operands.whole_bias[lane + c];
      const net::FixedPoint& factor = p.factors[static_cast<size_t>(lane + c)];
      const int32_t y =
          p.rounds_once ? net::multiply_once(sum, factor) : net::multiply(sum, factor);
      dst[c] = static_cast<Code>(std::clamp(y, low, high) - p.least);
    }
  }
}

/// One block of channels for some pixels.
template <class Store>
void run_block(const Kernels<Store>& kernels, const Product& p,
               const ProductOperands<Store>& operands, int64_t group, int64_t block,
               int64_t first_pixel, int64_t pixels) {
  const int64_t index = group * p.blocks + block;
  const auto* weights = operands.words + index * p.block_words();
  const int32_t* start = operands.start + index * kBlock;
  Output<Store> output = output_of(p, operands, group, block, first_pixel);
  thread_local std::vector<int32_t> sums;
  if (!p.factors.empty()) {
    sums.resize(static_cast<size_t>(pixels * kBlock));
    output.sums = sums.data();
  }
  const int32_t* offsets = p.src_offsets.data() + first_pixel;
  if (p.depthwise) {
    kernels.depthwise({.src = operands.src + block * kBlock,
                       .offsets = offsets,
                       .pixels = pixels,
                       .taps = p.taps.data(),
                       .tap_count = p.tap_count(),
                       .neighbour = p.neighbour,
                       .weights = weights,
                       .start = start,
                       .output = output});
  } else {
    kernels.dot({.src = operands.src + group * p.group_in,
                 .offsets = offsets,
                 .pixels = pixels,
                 .taps = p.taps.data(),
                 .tap_count = p.tap_count(),
                 .packs = p.packs,
                 .weights = weights,
                 .start = start,
                 .output = output});
  }
  if (!p.factors.empty()) {
    write_fixed_point(p, operands, output, index * kBlock, pixels);
  }
}

}  // namespace

template <class Store>
void run_product(const Kernels<Store>& kernels, const Product& product, int64_t images,
                 const ProductOperands<Store>& operands) {
  if constexpr (!Store::kOffset) {
    if (product.tiles) return run_tiles(kernels, product, images, operands);
  }
  const int64_t pixels = images * product.image_pixels;
  for (int64_t first = 0; first < pixels; first += product.panel) {
    const int64_t some = std::min(product.panel, pixels - first);
    for (int64_t group = 0; group < product.groups; ++group) {
      for (int64_t block = 0; block < product.blocks; ++block) {
        run_block(kernels, product, operands, group, block, first, some);
      }
    }
  }
}

#define FLATENN_PRODUCTS_OF(Store)                                                                 \
  template Product make_product<Store>(const Network& network, const Layer& layer,                 \
                                       const std::vector<Plane>& planes, int64_t images);          \
  template Output<Store> output_of(const Product& p, const ProductOperands<Store>& operands,       \
                                   int64_t group, int64_t block, int64_t first_pixel);             \
  template void run_product(const Kernels<Store>& kernels, const Product& product, int64_t images, \
                            const ProductOperands<Store>& operands);
FLATENN_PRODUCTS_OF(Words)
FLATENN_PRODUCTS_OF(Bytes)
#undef FLATENN_PRODUCTS_OF

}  // namespace flatenn::engine::general
