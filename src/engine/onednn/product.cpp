#include "engine/onednn/product.h"

namespace flatenn::engine::onednn {
namespace {

using dnnl::memory;
using Dims = memory::dims;
using Type = memory::data_type;
using Tag = memory::format_tag;

struct Geometry {
  Dims src, weights, dst, strides, pads;
  bool grouped = false;
};

Geometry geometry_of(const net::Network& network, const net::Layer& layer, int64_t batch) {
  const net::Shape& in = network.activations[static_cast<size_t>(layer.src)].shape;
  const net::Shape& out = network.activations[static_cast<size_t>(layer.dst)].shape;
  const net::Weights& w = layer.weights;
  Geometry g{.src = {batch, in.channels, in.height, in.width},
             .dst = {batch, out.channels, out.height, out.width},
             .strides = {layer.stride, layer.stride},
             .pads = {layer.pad, layer.pad}};
  if (layer.kind == net::LayerKind::kLinear) {
    g.weights = {w.out_channels, in.channels, in.height, in.width};
    g.strides = {1, 1};
    g.pads = {0, 0};
  } else if (layer.groups == 1) {
    g.weights = {w.out_channels, w.in_channels, w.kernel_height, w.kernel_width};
  } else {
    g.grouped = true;
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

dnnl::convolution_forward::primitive_desc describe(const Context& context, const Geometry& g,
                                                   Type src_type) {
  const memory::desc src(g.src, src_type, Tag::nhwc);
  const memory::desc weights(g.weights, Type::s8, Tag::any);
  const memory::desc dst(g.dst, Type::s32, Tag::nhwc);
  const Dims right = trailing_pads(g);
#if DNNL_VERSION_MAJOR >= 3
  return {context.engine,
          dnnl::prop_kind::forward_inference,
          dnnl::algorithm::convolution_direct,
          src,
          weights,
          dst,
          g.strides,
          g.pads,
          right};
#else
  return {{dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, src, weights,
           dst, g.strides, g.pads, right},
          context.engine};
#endif
}

Type type_of(const net::Activation& activation) {
  return activation.is_signed ? Type::s8 : Type::u8;
}

}  // namespace

Product::Product(const Context& context, const net::Network& network, const net::Layer& layer,
                 int64_t batch)
    : context_(context) {
  const Geometry g = geometry_of(network, layer, batch);
  plain_weights_ = memory::desc(g.weights, Type::s8, g.grouped ? Tag::goihw : Tag::oihw);
  description_ = describe(context, g, type_of(network.activations[static_cast<size_t>(layer.src)]));
  primitive_ = dnnl::convolution_forward(description_);
  weights_ = memory(description_.weights_desc(), context.engine);
  src_ = memory(description_.src_desc(), context.engine, nullptr);
  dst_ = memory(description_.dst_desc(), context.engine, nullptr);
  arguments_ = {{DNNL_ARG_SRC, src_}, {DNNL_ARG_WEIGHTS, weights_}, {DNNL_ARG_DST, dst_}};
}

void Product::pack(const std::vector<int8_t>& values) {
  memory plain(plain_weights_, context_.engine, const_cast<int8_t*>(values.data()));
  dnnl::stream stream = context_.stream;
  dnnl::reorder(plain, weights_).execute(stream, plain, weights_);
  stream.wait();
}

void Product::run(const uint8_t* src, int32_t* dst) {
  src_.set_data_handle(const_cast<uint8_t*>(src));
  dst_.set_data_handle(dst);
  dnnl::stream stream = context_.stream;
  primitive_.execute(stream, arguments_);
  stream.wait();
}

}  // namespace flatenn::engine::onednn
