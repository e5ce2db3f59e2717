#pragma once

#include <vector>

#include "interop/net_names.h"
#include "interop/onnx_graph.h"

/// Windows of convolutions and pools as ONNX's attributes say them.
namespace flatenn::interop {

/// kernel_shape, strides, dilations, pads and auto_pad over a plane of `extents`; `kernel`: that of
/// the weights, or empty. Throws Error naming the node for what makes no window.
Window read_window(const onnx::NodeProto& node, Attributes& attributes,
                   const std::vector<int64_t>& extents, std::vector<int64_t> kernel);

/// The outputs of a window over `in`; throws Error naming the node where it does not fit.
Shape window_outputs(const onnx::NodeProto& node, const Shape& in, int64_t channels,
                     int64_t kernel_height, int64_t kernel_width, const Window& window);

/// ceil_mode, as padding at the end that was not asked for; a window may not start in it.
void stretch_for_ceil(const onnx::NodeProto& node, const Shape& in, bool count_padding,
                      Window& window);

}  // namespace flatenn::interop
