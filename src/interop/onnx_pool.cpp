#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"
#include "interop/onnx_importer.h"
#include "interop/onnx_window.h"

/// Nodes that become pools.
namespace flatenn::interop {

void Importer::pool(const Node& node) {
  const bool max = node.op_type() == "MaxPool";
  expect_io(node, 1);
  Tensor from = tensor(node, 0);
  Layer layer{.name = layer_name(node), .kind = max ? LayerKind::kMaxPool : LayerKind::kAvgPool};
  const bool deferred = max && from.kind == Kind::kPending;
  const bool codes = max && from.kind == Kind::kCodes;
  if (!deferred && !codes) from = real(node, 0);
  const Shape in = plane(node, from);
  Attributes attributes(node);
  layer.window = read_window(node, attributes, {in.height, in.width}, {});
  const bool ceil = attributes.get_flag("ceil_mode", false);
  if (attributes.get_int("storage_order", 0) != 0) fail_at(node, "storage_order is not supported");
  layer.count_padding = attributes.get_flag("count_include_pad", false);
  attributes.finish();
  if (ceil) stretch_for_ceil(node, in, layer.count_padding, layer.window);
  if (layer.window.top + layer.window.left + layer.window.bottom + layer.window.right == 0) {
    layer.count_padding = false;  // there is none
  }
  const Shape shape = window_outputs(node, in, in.channels, layer.window.kernel_height,
                                     layer.window.kernel_width, layer.window);
  note(node, max ? "max-pool" : "average pool");
  if (!max) {
    layer.src = from.activation;
    return add_pending(node, std::move(layer), shape);
  }
  Tensor out = from;
  out.dims = {shape.channels, shape.height, shape.width};
  if (deferred) {
    out.pending = copied(node, *from.pending);
    out.pending->pools.push_back(std::move(layer));
  } else {
    layer.src = from.activation;
    Activation dst = activation(from.activation);
    dst.name = node.output(0);
    dst.shape = shape;
    network_.activations.push_back(std::move(dst));
    out.activation = std::ssize(network_.activations) - 1;
    append(std::move(layer), out.activation);
    out.kind = codes ? Kind::kCodes : Kind::kReal;
  }
  set(node, out);
}

void Importer::global_pool(const Node& node) {
  expect_io(node, 1);
  Attributes(node).finish();
  if (node.op_type() == "GlobalMaxPool") {
    const Shape in = plane(node, tensor(node, 0));
    Node windowed = node;
    windowed.set_op_type("MaxPool");
    onnx::AttributeProto& kernel = *windowed.add_attribute();
    kernel.set_name("kernel_shape");
    kernel.set_type(onnx::AttributeProto::INTS);
    kernel.add_ints(in.height);
    kernel.add_ints(in.width);
    return pool(windowed);
  }
  const Tensor from = real(node, 0);
  const Shape in = plane(node, from);
  Layer layer{.name = layer_name(node), .kind = LayerKind::kAvgPool, .src = from.activation};
  layer.window.kernel_height = in.height;
  layer.window.kernel_width = in.width;
  note(node, "average pool over the plane");
  add_pending(node, std::move(layer), {in.channels, 1, 1});
}

/// Over rows, columns or both, in one step or two.
void Importer::reduce_mean(const Node& node) {
  expect_io(node, 2);
  Attributes attributes(node);
  std::vector<int64_t> axes = attributes.get_ints("axes", {});
  const bool keep = attributes.get_flag("keepdims", true);
  attributes.ignore("noop_with_empty_axes");  // empty axes are refused
  attributes.finish();
  if (!input_or_none(node, 1).empty()) axes = constants_.index_list(node, node.input(1));
  Tensor from = tensor(node, 0);
  const bool again = from.kind == Kind::kPending &&
                     from.pending->layer.kind == LayerKind::kAvgPool &&
                     from.pending->pools.empty() && !from.pending->layer.relu;
  if (!again) from = real(node, 0);
  const auto rank = static_cast<int64_t>(from.dims.size()) + 1;
  bool rows = false;
  bool columns = false;
  for (int64_t& axis : axes) {
    if (axis < 0) axis += rank;
    const int64_t first = from.channels_last ? 1 : 2;
    rows = rows || axis == first;
    columns = columns || axis == first + 1;
    if (from.dims.size() < 2 || axis < first || axis > first + 1 || axis >= rank) {
      fail_at(node, detail::concat("a mean over axis ", axis, " is not supported"));
    }
  }
  if (axes.empty()) fail_at(node, "a mean over all axes is not supported");
  Layer layer;
  Shape shape;
  if (again) {
    layer = from.pending->layer;
    const Shape& in = activation(layer.src).shape;
    // [C, H] that a mean over columns left: its axis 2 are the rows.
    const bool flat = layer.window.kernel_height == 1 || layer.window.kernel_width == 1;
    const bool rest =
        axes.size() == 1 && layer.window.stride_height * layer.window.stride_width == 1;
    const bool whole =
        layer.window.kernel_height == in.height || layer.window.kernel_width == in.width;
    if (!flat || !rest || !whole) {
      fail_at(node, "a mean of a mean is supported over rows and columns alone");
    }
    if (from.dims[static_cast<size_t>(axes[0] - 1)] > 1) {
      layer.window.kernel_height = in.height;
      layer.window.kernel_width = in.width;
    }
    shape = {in.channels, in.height / layer.window.kernel_height,
             in.width / layer.window.kernel_width};
  } else {
    const Shape in = activation(from.activation).shape;
    layer = {.name = layer_name(node), .kind = LayerKind::kAvgPool, .src = from.activation};
    if (rows) layer.window.kernel_height = in.height;
    if (columns) layer.window.kernel_width = in.width;
    shape = {in.channels, rows ? 1 : in.height, columns ? 1 : in.width};
  }
  note(node, "average pool over the plane");
  std::vector<int64_t> dims;
  for (int64_t i = 1; i < rank; ++i) {
    const bool gone = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (!gone) dims.push_back(from.dims[static_cast<size_t>(i - 1)]);
    if (gone && keep) dims.push_back(1);
  }
  add_pending(node, std::move(layer), shape);
  tensors_[node.output(0)].dims = dims;
  tensors_[node.output(0)].channels_last = from.channels_last && dims.size() == 3;
}

}  // namespace flatenn::interop
