#include "flatenn/net/content_hash.h"

#include "flatenn/base/hash.h"

namespace flatenn::net {
namespace {

/// Feeds plain values and vectors of them into a hash, sizes first so that nothing runs together.
class Canonical {
 public:
  template <typename T>
  void value(const T& number) {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>);
    hasher_.update(std::as_bytes(std::span(&number, 1)));
  }
  template <typename T>
  void list(const std::vector<T>& numbers) {
    value(static_cast<int64_t>(numbers.size()));
    hasher_.update(std::as_bytes(std::span(numbers)));
  }
  std::string digest() { return hasher_.hex_digest(); }

 private:
  Hasher hasher_{HashKind::kSha256};
};

void add(Canonical& out, const Activation& a) {
  for (const int64_t extent : {a.shape.channels, a.shape.height, a.shape.width}) out.value(extent);
  out.value(a.is_float);
  if (a.is_float) return;
  out.value(a.bits);
  out.value(a.is_signed);
  out.value(a.scale);
  if (a.zero_point != 0) out.value(a.zero_point);
}

void add(Canonical& out, const ImageTransform& image) {
  if (image == ImageTransform{}) return;
  out.value(image.raw_pixels);
  out.list(image.factor);
  out.list(image.shift);
  if (image.half_away) out.value(image.half_away);
}

/// Activations are named by the layer that writes them, so that their order in the file is free.
class LayerHash {
 public:
  LayerHash(const Network& network, Canonical& out)
      : out_(out), writer_(network.activations.size()) {
    for (size_t i = 0; i < network.layers.size(); ++i) {
      const int64_t dst = network.layers[i].dst;
      if (dst >= 0) writer_[static_cast<size_t>(dst)] = static_cast<int64_t>(i) + 1;
    }
  }

  void add(const Layer& layer) {
    out_.value(layer.kind);
    out_.value(layer.relu);
    out_.value(writer(layer.src));
    out_.value(writer(layer.skip));
    add_extras(layer);
    if (layer.kind == LayerKind::kLinear) {
      add_weights(layer);
      return;
    }
    for (const int64_t number : {layer.stride(), layer.pad()}) out_.value(number);
    if (layer.kind == LayerKind::kConv) {
      out_.value(layer.groups);
      add_weights(layer);
    } else {
      out_.value(layer.kernel());
    }
  }

 private:
  /// What only imported networks hold: plain ones keep the hashes they always had.
  void add_extras(const Layer& layer) {
    for (const int64_t other : layer.others) out_.value(writer(other));
    if (!layer.window.is_uniform()) {
      const Window& w = layer.window;
      for (const int64_t number :
           {w.kernel_height, w.kernel_width, w.stride_height, w.stride_width, w.dilation_height,
            w.dilation_width, w.top, w.left, w.bottom, w.right}) {
        out_.value(number);
      }
    }
    if (layer.count_padding) out_.value(layer.count_padding);
    if (layer.low != INT32_MIN || layer.high != INT32_MAX) {
      out_.value(layer.low);
      out_.value(layer.high);
    }
    if (layer.twin >= 0) out_.value(layer.twin);
    if (!layer.weights.zero_points.empty()) out_.list(layer.weights.zero_points);
    if (!layer.table.empty()) out_.list(layer.table);
    if (!layer.order.empty()) out_.list(layer.order);
    if (layer.in_fixed_point()) {
      out_.value(layer.requantization);
      for (const FixedPoint& factor : layer.factors) {
        out_.value(factor.multiplier);
        out_.value(factor.shift);
      }
    }
  }

  int64_t writer(int64_t activation) const {
    return activation < 0 ? -1 : writer_[static_cast<size_t>(activation)];
  }

  void add_weights(const Layer& layer) {
    const Weights& w = layer.weights;
    for (const int64_t number : {w.out_channels, w.in_channels, w.kernel_height, w.kernel_width}) {
      out_.value(number);
    }
    out_.value(w.bits);
    out_.value(w.value_map);
    out_.list(w.codes);
    out_.list(w.scales);
    out_.list(layer.bias);
  }

  Canonical& out_;
  std::vector<int64_t> writer_;
};

}  // namespace

std::string content_hash(const Network& network) {
  Canonical out;
  LayerHash layers(network, out);
  if (!network.activations.empty()) add(out, network.input());
  add(out, network.image);
  out.value(static_cast<int64_t>(network.layers.size()));
  for (const Layer& layer : network.layers) {
    layers.add(layer);
    if (layer.dst >= 0) add(out, network.activations[static_cast<size_t>(layer.dst)]);
  }
  return out.digest();
}

}  // namespace flatenn::net
