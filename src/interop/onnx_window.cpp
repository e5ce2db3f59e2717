#include "interop/onnx_window.h"

#include <algorithm>

#include "flatenn/base/error.h"

namespace flatenn::interop {
namespace {

constexpr int64_t kMaxExtent = 1 << 16;

int64_t outputs(const onnx::NodeProto& node, int64_t extent, int64_t kernel, int64_t dilation,
                int64_t stride, int64_t pads) {
  const int64_t reach = (kernel - 1) * dilation + 1;
  if (reach > extent + pads) {
    fail_at(node, detail::concat("a kernel of ", kernel, " does not fit an extent of ", extent,
                                 " with pads of ", pads));
  }
  return (extent + pads - reach) / stride + 1;
}

/// The list's two values; all within 1..65536 (pads: from 0).
void check_list(const onnx::NodeProto& node, const char* name, const std::vector<int64_t>& list,
                size_t size, int64_t least) {
  if (list.size() != size) {
    fail_at(node,
            detail::concat("attribute ", name, " has ", list.size(), " elements, expected ", size));
  }
  for (const int64_t value : list) {
    if (value < least || value > kMaxExtent) {
      fail_at(node, detail::concat("attribute ", name, " holds ", value, ", expected ", least, "..",
                                   kMaxExtent));
    }
  }
}

}  // namespace

Window read_window(const onnx::NodeProto& node, Attributes& attributes,
                   const std::vector<int64_t>& extents, std::vector<int64_t> kernel) {
  const std::vector<int64_t> said = attributes.get_ints("kernel_shape", kernel);
  check_list(node, "kernel_shape", said, 2, 1);
  if (!kernel.empty() && said != kernel) {
    fail_at(node,
            detail::concat("kernel_shape ", said[0], "x", said[1], " is not that of its weights"));
  }
  kernel = said;
  const std::vector<int64_t> strides = attributes.get_ints("strides", {1, 1});
  const std::vector<int64_t> dilations = attributes.get_ints("dilations", {1, 1});
  std::vector<int64_t> pads = attributes.get_ints("pads", {0, 0, 0, 0});
  const std::string automatic = attributes.get_string("auto_pad", "NOTSET");
  check_list(node, "strides", strides, 2, 1);
  check_list(node, "dilations", dilations, 2, 1);
  check_list(node, "pads", pads, 4, 0);
  if (automatic != "NOTSET" && pads != std::vector<int64_t>{0, 0, 0, 0}) {
    fail_at(node, "has both pads and auto_pad " + automatic);
  }
  if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
    for (size_t i = 0; i < 2; ++i) {
      const int64_t out = (extents[i] + strides[i] - 1) / strides[i];
      const int64_t total = std::max<int64_t>(
          (out - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 - extents[i], 0);
      const int64_t small = total / 2;
      pads[i] = automatic == "SAME_UPPER" ? small : total - small;
      pads[i + 2] = total - pads[i];
    }
  } else if (automatic == "VALID") {
    pads = {0, 0, 0, 0};
  } else if (automatic != "NOTSET") {
    fail_at(node, "auto_pad " + automatic + " is not supported");
  }
  return {kernel[0],    kernel[1], strides[0], strides[1], dilations[0],
          dilations[1], pads[0],   pads[1],    pads[2],    pads[3]};
}

Shape window_outputs(const onnx::NodeProto& node, const Shape& in, int64_t channels,
                     int64_t kernel_height, int64_t kernel_width, const Window& w) {
  return {
      channels,
      outputs(node, in.height, kernel_height, w.dilation_height, w.stride_height, w.top + w.bottom),
      outputs(node, in.width, kernel_width, w.dilation_width, w.stride_width, w.left + w.right)};
}

void stretch_for_ceil(const onnx::NodeProto& node, const Shape& in, bool count_padding, Window& w) {
  const auto stretch = [](int64_t extent, int64_t kernel, int64_t dilation, int64_t stride,
                          int64_t begin, int64_t end) {
    const int64_t rest = extent + begin + end - (kernel - 1) * dilation - 1;
    int64_t out = (rest + stride - 1) / stride + 1;
    if ((out - 1) * stride >= extent + begin) --out;
    return std::max<int64_t>(0, (out - 1) * stride - rest);
  };
  const int64_t more_rows =
      stretch(in.height, w.kernel_height, w.dilation_height, w.stride_height, w.top, w.bottom);
  const int64_t more_columns =
      stretch(in.width, w.kernel_width, w.dilation_width, w.stride_width, w.left, w.right);
  if (more_rows + more_columns > 0 && count_padding) {
    fail_at(node, "ceil_mode with count_include_pad is not supported");
  }
  w.bottom += more_rows;
  w.right += more_columns;
}

}  // namespace flatenn::interop
