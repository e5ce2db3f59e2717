#include "net/testing.h"

#include <algorithm>
#include <cmath>

#include "flatenn/base/random.h"

namespace flatenn::net::testing {
namespace {

Window uniform_window(int64_t kernel, int64_t stride, int64_t pad) {
  Window window;
  window.set_kernel(kernel);
  window.set_stride(stride);
  window.set_pad(pad);
  return window;
}

/// Appends layers to a network with random codes; activation 0 is the image.
class Builder {
 public:
  Builder(std::string name, const Shape& image, const RandomOptions& options)
      : options_(options), random_(options.seed, 0, RandomPurpose::kInitialization) {
    network_.name = std::move(name);
    network_.activations.push_back(
        {.name = "image", .shape = image, .bits = 8, .is_signed = true, .scale = 0.02F});
  }

  struct Conv {
    int64_t channels = 1;
    int64_t kernel_height = 3;
    int64_t kernel_width = 3;
    int64_t stride = 1;
    int64_t pad = 0;
    int64_t groups = 1;
    bool relu = true;
    int64_t skip = -1;
    bool signed_output = false;
  };

  int64_t conv(int64_t src, const Conv& c) {
    const Shape in = shape(src);
    Layer layer{.name = next_name("conv"),
                .src = src,
                .skip = c.skip,
                .window = uniform_window(1, c.stride, c.pad),
                .groups = c.groups,
                .relu = c.relu};
    layer.weights.in_channels = in.channels / c.groups;
    layer.weights.kernel_height = c.kernel_height;
    layer.weights.kernel_width = c.kernel_width;
    const Shape out{c.channels, (in.height + 2 * c.pad - c.kernel_height) / c.stride + 1,
                    (in.width + 2 * c.pad - c.kernel_width) / c.stride + 1};
    return weighted(std::move(layer), out, c.signed_output);
  }

  int64_t linear(int64_t src, int64_t outputs, bool last) {
    Layer layer{.name = next_name("fc"), .kind = LayerKind::kLinear, .src = src, .relu = !last};
    layer.weights.in_channels = shape(src).elements();
    const int64_t dst = weighted(std::move(layer), {outputs, 1, 1}, false);
    network_.activations.back().is_float = last;
    return dst;
  }

  int64_t max_pool(int64_t src, int64_t kernel, int64_t stride, int64_t pad = 0) {
    return pool(LayerKind::kMaxPool, src, kernel, stride, pad);
  }
  int64_t avg_pool(int64_t src, int64_t kernel, int64_t stride) {
    const int64_t dst = pool(LayerKind::kAvgPool, src, kernel, stride, 0);
    network_.activations.back().scale *= 0.75F;
    return dst;
  }

  Shape shape(int64_t activation) const {
    return network_.activations[static_cast<size_t>(activation)].shape;
  }

  Network finish() {
    network_.metadata["dataset"] = "random";
    network_.validate();
    return std::move(network_);
  }

 private:
  std::string next_name(const std::string& kind) {
    return kind + std::to_string(network_.layers.size() + 1);
  }

  int64_t weighted(Layer layer, Shape out, bool signed_output) {
    Weights& w = layer.weights;
    w.out_channels = out.channels;
    w.bits = options_.weight_bits;
    w.value_map = options_.value_map;
    const int range = 1 << w.bits;
    for (int64_t i = 0; i < w.elements(); ++i) {
      w.codes.push_back(static_cast<int8_t>(
          static_cast<int>(random_.below(static_cast<uint64_t>(range))) - range / 2));
    }
    const Activation& src = network_.activations[static_cast<size_t>(layer.src)];
    const int src_codes = src.max_code() - src.min_code();
    for (int64_t c = 0; c < (options_.per_channel ? out.channels : 1); ++c) {
      const float sign = options_.per_channel && random_.below(4) == 0 ? -1.0F : 1.0F;
      w.scales.push_back(sign * static_cast<float>(0.01 + 0.02 * random_.uniform()));
    }
    for (int64_t c = 0; c < out.channels; ++c) {
      layer.bias.push_back(static_cast<int32_t>(random_.normal() * src_codes * range / 4));
    }
    // Spreads the accumulator's standard deviation over about half the output's codes.
    const double deviation = std::sqrt(static_cast<double>(w.fan_in())) * src_codes * range *
                             (w.value_map == ValueMap::kOdd ? 2 : 1) / 12;
    const int bits = signed_output ? 8 : options_.activation_bits;
    const auto scale = static_cast<float>(static_cast<double>(src.scale) * 0.02 * deviation /
                                          (1 << (bits - 1)) * 2);
    layer.dst = static_cast<int64_t>(network_.activations.size());
    network_.activations.push_back({.name = layer.name + "_out",
                                    .shape = out,
                                    .bits = bits,
                                    .is_signed = signed_output,
                                    .scale = scale});
    network_.layers.push_back(std::move(layer));
    return network_.layers.back().dst;
  }

  int64_t pool(LayerKind kind, int64_t src, int64_t kernel, int64_t stride, int64_t pad) {
    Layer layer{.name = next_name("pool"),
                .kind = kind,
                .src = src,
                .window = uniform_window(kernel, stride, pad)};
    Activation dst = network_.activations[static_cast<size_t>(src)];
    dst.name = layer.name + "_out";
    dst.shape.height = (dst.shape.height + 2 * pad - kernel) / stride + 1;
    dst.shape.width = (dst.shape.width + 2 * pad - kernel) / stride + 1;
    layer.dst = static_cast<int64_t>(network_.activations.size());
    network_.activations.push_back(std::move(dst));
    network_.layers.push_back(std::move(layer));
    return network_.layers.back().dst;
  }

  RandomOptions options_;
  RandomStream random_;
  Network network_;
};

int64_t residual_block(Builder& builder, int64_t src, int64_t channels, int64_t stride) {
  int64_t skip = src;
  if (stride != 1 || builder.shape(src).channels != channels) {
    skip = builder.conv(src, {.channels = channels,
                              .kernel_height = 1,
                              .kernel_width = 1,
                              .stride = stride,
                              .relu = false,
                              .signed_output = true});
  }
  const int64_t inner = builder.conv(src, {.channels = channels, .stride = stride, .pad = 1});
  return builder.conv(inner, {.channels = channels, .pad = 1, .skip = skip});
}

}  // namespace

Network lenet(const RandomOptions& options, int64_t extent) {
  Builder builder("lenet", {1, extent, extent}, options);
  int64_t at = builder.conv(0, {.channels = 6, .kernel_height = 5, .kernel_width = 5, .pad = 2});
  at = builder.max_pool(at, 2, 2);
  at = builder.conv(at, {.channels = 16, .kernel_height = 5, .kernel_width = 5});
  at = builder.max_pool(at, 2, 2);
  at = builder.linear(at, 120, false);
  at = builder.linear(at, 84, false);
  builder.linear(at, 10, true);
  return builder.finish();
}

Network residual(const RandomOptions& options, int64_t width, int64_t extent) {
  Builder builder("residual", {3, extent, extent}, options);
  int64_t at = builder.conv(0, {.channels = width, .pad = 1});
  at = residual_block(builder, at, width, 1);
  at = residual_block(builder, at, 2 * width, 2);
  at = residual_block(builder, at, 2 * width, 1);
  at = builder.avg_pool(at, builder.shape(at).height, 1);
  builder.linear(at, 10, true);
  return builder.finish();
}

Network cifar_resnet(const RandomOptions& options, const std::vector<int64_t>& widths,
                     int64_t blocks) {
  Builder builder("resnet", {3, 32, 32}, options);
  int64_t at = builder.conv(0, {.channels = widths.front(), .pad = 1});
  for (const int64_t width : widths) {
    for (int64_t block = 0; block < blocks; ++block) {
      const bool halves = block == 0 && width != widths.front();
      at = residual_block(builder, at, width, halves ? 2 : 1);
    }
  }
  at = builder.avg_pool(at, builder.shape(at).height, 1);
  builder.linear(at, 10, true);
  return builder.finish();
}

namespace {

Network resnet(const std::string& name, const RandomOptions& options, int64_t stages,
               int64_t blocks_a_stage, int64_t width) {
  Builder builder(name, {3, 32, 32}, options);
  int64_t at = builder.conv(0, {.channels = width, .pad = 1});
  for (int64_t stage = 0; stage < stages; ++stage) {
    for (int64_t block = 0; block < blocks_a_stage; ++block) {
      at = residual_block(builder, at, width << stage, stage > 0 && block == 0 ? 2 : 1);
    }
  }
  at = builder.avg_pool(at, builder.shape(at).height, 1);
  builder.linear(at, 10, true);
  return builder.finish();
}

}  // namespace

Network resnet20(const RandomOptions& options) { return resnet("resnet20", options, 3, 3, 16); }
Network resnet18(const RandomOptions& options) { return resnet("resnet18", options, 4, 2, 64); }

Network odd_shapes(const RandomOptions& options) {
  Builder builder("odd_shapes", {3, 13, 11}, options);
  int64_t at = builder.conv(0, {.channels = 9, .kernel_height = 3, .kernel_width = 2, .pad = 2});
  at = builder.conv(at, {.channels = 12, .kernel_height = 2, .stride = 2, .pad = 1, .groups = 3});
  at = builder.conv(at, {.channels = 12, .pad = 1, .groups = 12});
  at = builder.max_pool(at, 3, 2, 1);
  at = builder.conv(
      at,
      {.channels = 7, .kernel_height = 1, .kernel_width = 1, .relu = false, .signed_output = true});
  at = builder.conv(at, {.channels = 21, .kernel_height = 2, .kernel_width = 3, .pad = 1});
  at = builder.avg_pool(at, 2, 2);
  builder.linear(at, 11, true);
  return builder.finish();
}

Network mlp(const RandomOptions& options) {
  Builder builder("mlp", {1, 9, 7}, options);
  const int64_t hidden = builder.linear(0, 37, false);
  builder.linear(hidden, 5, true);
  return builder.finish();
}

std::vector<NamedNetwork> zoo() {
  std::vector<NamedNetwork> result;
  const auto add = [&](const std::string& name, const RandomOptions& o) {
    result.push_back({"Lenet" + name, lenet(o, 16)});
    result.push_back({"Residual" + name, residual(o)});
    result.push_back({"OddShapes" + name, odd_shapes(o)});
    result.push_back({"Mlp" + name, mlp(o)});
  };
  for (int bits = 2; bits <= 8; ++bits) {
    const uint64_t seed = static_cast<uint64_t>(bits);
    add("W" + std::to_string(bits) + "A" + std::to_string(bits),
        {.seed = seed, .weight_bits = bits, .activation_bits = bits, .per_channel = bits % 2 == 0});
  }
  add("Liq4", {.seed = 11, .value_map = ValueMap::kOdd});
  add("Liq7A8", {.seed = 12, .weight_bits = 7, .activation_bits = 8, .value_map = ValueMap::kOdd});
  add("W8A4", {.seed = 13, .weight_bits = 8});
  add("W2A8", {.seed = 14, .weight_bits = 2, .activation_bits = 8, .per_channel = false});
  return result;
}

std::vector<int8_t> random_image_codes(const Network& network, int64_t count, uint64_t seed) {
  RandomStream random(seed, 1, RandomPurpose::kInitialization);
  std::vector<int8_t> codes(static_cast<size_t>(count * network.input().shape.elements()));
  const Activation& input = network.input();
  const auto span = static_cast<uint64_t>(input.max_code() - input.min_code() + 1);
  for (int8_t& code : codes) {
    code = static_cast<int8_t>(input.min_code() + static_cast<int>(random.below(span)));
  }
  return codes;
}

}  // namespace flatenn::net::testing
