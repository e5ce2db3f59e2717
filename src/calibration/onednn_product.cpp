#include "calibration/onednn_product.h"

#include <algorithm>

namespace flatenn::calibration {
namespace {

using dnnl::memory;
using Dims = memory::dims;
using Tag = memory::format_tag;
constexpr auto kFloat = memory::data_type::f32;

/// A linear layer is a convolution whose kernel is its whole input.
Dims weight_dims(const FloatOp& op) {
  const FloatWeights& w = op.weights;
  if (op.kind == FloatKind::kLinear) return {w.out_channels, w.in_channels, 1, 1};
  if (op.groups == 1) return {w.out_channels, w.in_channels, w.kernel_height, w.kernel_width};
  return {op.groups, w.out_channels / op.groups, w.in_channels, w.kernel_height, w.kernel_width};
}

/// Padding behind the last row or column that makes the outputs come out even.
int64_t trailing(int64_t out, int64_t stride, int64_t kernel, int64_t dilation, int64_t in,
                 int64_t leading) {
  return (out - 1) * stride + (kernel - 1) * dilation + 1 - in - leading;
}

dnnl::convolution_forward::primitive_desc describe(const dnnl::engine& engine, const FloatOp& op,
                                                   const memory::desc& src,
                                                   const memory::desc& dst) {
  const net::Window& w = op.window;
  const bool linear = op.kind == FloatKind::kLinear;
  const auto any = [](const Dims& dims) { return memory::desc(dims, kFloat, Tag::any); };
  const Dims strides = linear ? Dims{1, 1} : Dims{w.stride_height, w.stride_width};
  const Dims dilations = linear ? Dims{0, 0} : Dims{w.dilation_height - 1, w.dilation_width - 1};
  const Dims left = linear ? Dims{0, 0} : Dims{w.top, w.left};
  const Dims right = linear
                         ? Dims{0, 0}
                         : Dims{trailing(op.out.height, w.stride_height, op.weights.kernel_height,
                                         w.dilation_height, op.in.height, w.top),
                                trailing(op.out.width, w.stride_width, op.weights.kernel_width,
                                         w.dilation_width, op.in.width, w.left)};
  const memory::desc bias({op.weights.out_channels}, kFloat, Tag::x);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  constexpr auto kProp = dnnl::prop_kind::forward_inference;
  constexpr auto kDirect = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {engine,
          kProp,
          kDirect,
          any(src.get_dims()),
          any(weight_dims(op)),
          bias,
          any(dst.get_dims()),
          strides,
          dilations,
          left,
          right,
          attributes};
#else
  return {dnnl::convolution_forward::desc(kProp, kDirect, any(src.dims()), any(weight_dims(op)),
                                          bias, any(dst.dims()), strides, dilations, left, right),
          attributes, engine};
#endif
}

Tag plain_tag(size_t rank) { return rank == 5 ? Tag::goihw : Tag::oihw; }

void reorder(dnnl::stream& stream, memory& from, memory& to) {
  dnnl::reorder(from, to).execute(stream, from, to);
}

}  // namespace

OneDnnProduct::OneDnnProduct(const dnnl::engine& engine, const FloatOp& op, int64_t images)
    : engine_(engine) {
  const bool linear = op.kind == FloatKind::kLinear;
  const Dims in = linear ? Dims{images, op.weights.in_channels, 1, 1}
                         : Dims{images, op.in.channels, op.in.height, op.in.width};
  src_ = memory::desc(in, kFloat, Tag::nchw);
  dst_ = memory::desc({images, op.out.channels, op.out.height, op.out.width}, kFloat, Tag::nchw);
  description_ = describe(engine, op, src_, dst_);
  primitive_ = dnnl::convolution_forward(description_);
  dnnl::stream stream(engine_);
  const Dims dims = weight_dims(op);
  memory plain({dims, kFloat, plain_tag(dims.size())}, engine_,
               const_cast<float*>(op.weights.values.data()));
  weights_ = memory(description_.weights_desc(), engine_);
  reorder(stream, plain, weights_);
  bias_ = memory({{op.weights.out_channels}, kFloat, Tag::x}, engine_);
  std::copy(op.weights.bias.begin(), op.weights.bias.end(),
            static_cast<float*>(bias_.get_data_handle()));
  stream.wait();
}

void OneDnnProduct::run(const float* src, float* dst) const {
  dnnl::stream stream(engine_);
  memory plain_src(src_, engine_, const_cast<float*>(src));
  memory plain_dst(dst_, engine_, dst);
  const bool same_src = description_.src_desc() == src_;
  const bool same_dst = description_.dst_desc() == dst_;
  memory own_src = same_src ? plain_src : memory(description_.src_desc(), engine_);
  memory own_dst = same_dst ? plain_dst : memory(description_.dst_desc(), engine_);
  if (!same_src) reorder(stream, plain_src, own_src);
  primitive_.execute(stream,
                     {{DNNL_ARG_SRC, own_src},
                      {DNNL_ARG_WEIGHTS, weights_},
                      {DNNL_ARG_BIAS, bias_},
                      {DNNL_ARG_DST, own_dst},
                      {DNNL_ARG_SCRATCHPAD, memory(description_.scratchpad_desc(), engine_)}});
  if (!same_dst) reorder(stream, own_dst, plain_dst);
  stream.wait();
}

}  // namespace flatenn::calibration
