#include "engine/onednn/fused_layer.h"

#include <algorithm>
#include <limits>

namespace flatenn::engine::onednn {
namespace {

using dnnl::memory;
using Dims = memory::dims;
using Type = memory::data_type;
using Tag = memory::format_tag;

struct Geometry {
  Dims src, weights, dst, strides, pads;
};

Geometry geometry_of(const net::Network& network, const net::Layer& layer, int64_t batch) {
  const net::Shape& in = network.activations[static_cast<size_t>(layer.src)].shape;
  const net::Shape& out = network.activations[static_cast<size_t>(layer.dst)].shape;
  const net::Weights& w = layer.weights;
  Geometry g{.src = {batch, in.channels, in.height, in.width},
             .dst = {batch, out.channels, out.height, out.width},
             .strides = {layer.stride(), layer.stride()},
             .pads = {layer.pad(), layer.pad()}};
  if (layer.kind == net::LayerKind::kLinear) {
    g.weights = {w.out_channels, in.channels, in.height, in.width};
    g.strides = {1, 1};
    g.pads = {0, 0};
  } else if (layer.groups == 1) {
    g.weights = {w.out_channels, w.in_channels, w.kernel_height, w.kernel_width};
  } else {
    g.weights = {layer.groups, w.out_channels / layer.groups, w.in_channels, w.kernel_height,
                 w.kernel_width};
  }
  return g;
}

/// Padding that makes the right and lower edge come out even: (out - 1) * stride + kernel - in -
/// pad.
Dims trailing_pads(const Geometry& g) {
  Dims pads;
  for (size_t axis = 0; axis < 2; ++axis) {
    const int64_t kernel = g.weights[g.weights.size() - 2 + axis];
    pads.push_back((g.dst[2 + axis] - 1) * g.strides[axis] + kernel - g.src[2 + axis] -
                   g.pads[axis]);
  }
  return pads;
}

Type type_of(const net::Activation& activation) {
  if (activation.is_float) return Type::f32;
  return activation.is_signed ? Type::s8 : Type::u8;
}

const net::Activation& activation_of(const net::Network& network, int64_t index) {
  return network.activations[static_cast<size_t>(index)];
}

/// ReLU and the range of codes, where it is narrower than the type's, which saturates by itself.
void append_range(dnnl::post_ops& operations, const net::Layer& layer, const net::Activation& dst) {
  float low = static_cast<float>(dst.min_code());
  float high = static_cast<float>(dst.max_code());
  if (dst.is_float) high = std::numeric_limits<float>::max();
  if (layer.relu) low = 0;
  if (dst.is_float ? !layer.relu : dst.bits == 8 && !(dst.is_signed && layer.relu)) return;
#if DNNL_VERSION_MAJOR >= 3
  operations.append_eltwise(dnnl::algorithm::eltwise_clip, low, high);
#else
  operations.append_eltwise(1.0F, dnnl::algorithm::eltwise_clip, low, high);
#endif
}

}  // namespace

FusedLayer::FusedLayer(const dnnl::engine& engine, const net::Network& network,
                       const net::Layer& layer, int64_t batch)
    : engine_(engine) {
  const Geometry g = geometry_of(network, layer, batch);
  const int64_t channels = layer.weights.out_channels;
  bias_ = kBiasAfterProduct ? memory::desc({1, channels, 1, 1}, Type::f32, Tag::nchw)
                            : memory::desc({channels}, Type::s32, Tag::x);
  const std::vector<float> multiplier = net::multipliers(network, layer);
  multiplier_ = memory(memory::desc({1, channels, 1, 1}, Type::f32, Tag::nchw), engine_);
  std::copy(multiplier.begin(), multiplier.end(),
            static_cast<float*>(multiplier_.get_data_handle()));
  const memory::desc src(g.src, type_of(activation_of(network, layer.src)), Tag::nhwc);
  const memory::desc weights(g.weights, Type::s8, Tag::any);
  const memory::desc dst(g.dst, type_of(activation_of(network, layer.dst)), Tag::nhwc);
  const dnnl::primitive_attr attr = attributes(network, layer);
  constexpr auto kProp = dnnl::prop_kind::forward_inference;
  constexpr auto kDirect = dnnl::algorithm::convolution_direct;
  const Dims right = trailing_pads(g);
#if DNNL_VERSION_MAJOR >= 3
  description_ = {engine_, kProp, kDirect, src, weights, dst, g.strides, g.pads, right, attr};
#else
  const auto plain = dnnl::convolution_forward::desc(kProp, kDirect, src, weights,
                                                     kBiasAfterProduct ? memory::desc() : bias_,
                                                     dst, g.strides, g.pads, right);
  description_ = {plain, attr, engine_};
#endif
  primitive_ = dnnl::convolution_forward(description_);
}

dnnl::primitive_attr FusedLayer::attributes(const net::Network& network, const net::Layer& layer) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops operations;
  if constexpr (kBiasAfterProduct) {
    operations.append_binary(dnnl::algorithm::binary_add, bias_);
    operations.append_binary(dnnl::algorithm::binary_mul, multiplier_.get_desc());
  }
#if DNNL_VERSION_MAJOR < 3
  if constexpr (!kBiasAfterProduct) {
    constexpr int kPerChannel = 1 << 1;
    attr.set_output_scales(kPerChannel, net::multipliers(network, layer));
  }
#endif
  if (layer.skip >= 0) {
    operations.append_sum(net::skip_multiplier(network, layer), 0,
                          type_of(activation_of(network, layer.skip)));
  }
  append_range(operations, layer, activation_of(network, layer.dst));
  attr.set_post_ops(operations);
  return attr;
}

std::string FusedLayer::implementation() const { return description_.impl_info_str(); }

bool FusedLayer::next_implementation() {
  if (!description_.next_impl()) return false;
  primitive_ = dnnl::convolution_forward(description_);
  return true;
}

FusedLayer::Arguments::Arguments(const FusedLayer& layer)
    : src_(layer.description_.src_desc(), layer.engine_, nullptr),
      weights_(layer.description_.weights_desc(), layer.engine_, nullptr),
      bias_(layer.bias_, layer.engine_, nullptr),
      dst_(layer.description_.dst_desc(), layer.engine_, nullptr) {
  all_ = {{DNNL_ARG_SRC, src_},
          {DNNL_ARG_WEIGHTS, weights_},
          {DNNL_ARG_DST, dst_},
          {DNNL_ARG_SCRATCHPAD, memory(layer.description_.scratchpad_desc(), layer.engine_)}};
  if constexpr (kBiasAfterProduct) {
    all_.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, bias_);
    all_.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(1) | DNNL_ARG_SRC_1, layer.multiplier_);
  } else {
    all_.emplace(DNNL_ARG_BIAS, bias_);
  }
}

void FusedLayer::run(dnnl::stream& stream, Arguments& arguments, const Buffers& buffers) const {
  arguments.src_.set_data_handle(const_cast<uint8_t*>(buffers.src));
  arguments.weights_.set_data_handle(const_cast<int8_t*>(buffers.weights));
  arguments.bias_.set_data_handle(const_cast<BiasWord*>(buffers.bias));
  arguments.dst_.set_data_handle(buffers.dst);
  primitive_.execute(stream, arguments.all_);
  stream.wait();
}

}  // namespace flatenn::engine::onednn
