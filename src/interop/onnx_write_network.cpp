#include "interop/onnx_write_network.h"

#include <algorithm>
#include <set>

#include "flatenn/base/error.h"
#include "interop/onnx_tensor.h"

namespace flatenn::interop {
namespace {

/// The first in which AveragePool knows dilations.
constexpr int64_t kOpsetOfDilatedAverages = 19;

bool computes_the_same(const Layer& a, const Layer& b) {
  return a.kind == b.kind && a.src == b.src && a.window == b.window && a.groups == b.groups &&
         a.bias == b.bias;
}

}  // namespace

std::string describe(const Layer& layer) {
  return "layer " + layer.name + " (" + net::kind_name(layer.kind) + ")";
}

std::vector<int64_t> weight_dims(const Layer& layer) {
  const Weights& w = layer.weights;
  if (layer.kind == LayerKind::kLinear) return {w.out_channels, w.in_channels};
  return {w.out_channels, w.in_channels, w.kernel_height, w.kernel_width};
}

NetworkWriter::NetworkWriter(const Network& network, GraphBuilder& graph, CodeForm& form)
    : network_(network), graph_(graph), form_(form) {
  matrix_.resize(network.activations.size(), false);
  results_.resize(network.layers.size());
  for (const Layer& layer : network.layers) {
    matrix_[static_cast<size_t>(layer.dst)] = writes_matrix(layer);
  }
}

bool NetworkWriter::writes_matrix(const Layer& layer) const {
  if (layer.kind == LayerKind::kLinear) return true;
  if (layer.kind == LayerKind::kConv || layer.kind == LayerKind::kMove || layer.pools()) {
    return false;
  }
  const std::vector<int64_t> inputs = layer.inputs();
  return std::all_of(inputs.begin(), inputs.end(), [&](int64_t i) { return is_matrix(i); });
}

void NetworkWriter::write() {
  check_names();
  const Activation& image = network_.input();
  const int64_t last = network_.layers.back().dst;
  const std::string pixels = graph_.fresh(image.name + ":pixels");
  graph_.input(pixels, image.shape);
  graph_.output(activation(last).name, activation(last).shape, is_matrix(last));
  form_.quantize(image, image_values(pixels));
  for (const Layer& layer : network_.layers) write_layer(layer);
}

void NetworkWriter::check_names() const {
  std::set<std::string> seen;
  for (const Activation& a : network_.activations) {
    FLATENN_CHECK(!a.name.empty() && seen.insert(a.name).second, "network ", network_.name,
                  ": activation name '", a.name, "' is empty or used twice");
  }
  seen.clear();
  for (const Layer& layer : network_.layers) {
    FLATENN_CHECK(!layer.name.empty() && seen.insert(layer.name).second, "network ", network_.name,
                  ": layer name '", layer.name, "' is empty or used twice");
  }
}

/// The steps in front of the image's quantizer.
std::string NetworkWriter::image_values(std::string at) {
  const auto apply = [&](const char* op, const std::vector<float>& values, const char* suffix) {
    if (values.empty()) return;
    const std::string out = graph_.fresh(at + suffix);
    onnx::TensorProto tensor = float_tensor(out + ":value", values);
    if (values.size() > 1) {
      tensor.add_dims(1);
      tensor.add_dims(1);
    }
    graph_.node(op, out + "/step", {at, graph_.constant(tensor)}, out);
    at = out;
  };
  apply("Mul", network_.image.factor, ":scaled");
  apply("Add", network_.image.shift, ":shifted");
  return at;
}

/// An activation as a layer reads it: [N, C] where `matrix`, else [N, C, H, W].
std::string NetworkWriter::operand(const Layer& layer, int64_t index, bool matrix,
                                   const std::string& suffix) {
  const Activation& a = activation(index);
  if (is_matrix(index) == matrix) return a.name;
  const std::string out = graph_.fresh(layer.name + suffix);
  if (matrix) {
    add_int(graph_.node("Flatten", layer.name + "/flatten", {a.name}, out), "axis", 1);
    return out;
  }
  const onnx::TensorProto shape =
      int64_tensor(out + "_shape", {-1, a.shape.channels, a.shape.height, a.shape.width});
  graph_.node("Reshape", layer.name + "/" + suffix.substr(1), {a.name, graph_.constant(shape)},
              out);
  return out;
}

void NetworkWriter::write_layer(const Layer& layer) {
  switch (layer.kind) {
    case LayerKind::kTable:
      return write_table(layer);
    case LayerKind::kMove:
      return write_move(layer);
    case LayerKind::kConcat:
      return write_concat(layer);
    case LayerKind::kMaxPool:
      return write_max_pool(layer);
    default:
      return write_rounded(layer);
  }
}

/// layer.table by codes: the place of a code is offset + code, with an offset for each channel
/// where channels have tables of their own.
void NetworkWriter::write_table(const Layer& layer) {
  const Activation& src = activation(layer.src);
  const CodeForm::Index index = form_.index(layer, src, src.name);
  form_.look_up(layer, placed(layer, index), activation(layer.dst));
}

std::string NetworkWriter::placed(const Layer& layer, const CodeForm::Index& index) {
  const Activation& src = activation(layer.src);
  const int32_t levels = src.max_code() - src.min_code() + 1;
  std::vector<int32_t> offsets;
  for (int32_t first = 0; first < std::ssize(layer.table); first += levels) {
    offsets.push_back(first + index.zero - src.min_code());
  }
  if (offsets.size() == 1 && offsets.front() == 0) return index.tensor;
  onnx::TensorProto tensor = int32_tensor(layer.name + ":offset", offsets);
  if (offsets.size() > 1 && !is_matrix(layer.src)) {
    tensor.add_dims(1);
    tensor.add_dims(1);
  }
  const std::string place = graph_.fresh(layer.name + ":place");
  graph_.node("Add", layer.name + "/offset", {index.tensor, graph_.constant(tensor)}, place);
  return place;
}

void NetworkWriter::write_move(const Layer& layer) {
  const std::string flat = operand(layer, layer.src, /*matrix=*/true, ":flat");
  const std::vector<int64_t> order(layer.order.begin(), layer.order.end());
  const std::string moved = graph_.fresh(layer.name + ":moved");
  const onnx::TensorProto elements = int64_tensor(layer.name + ":order", order);
  add_int(graph_.layer_node("Gather", layer.name, {flat, graph_.constant(elements)}, moved), "axis",
          1);
  const Activation& dst = activation(layer.dst);
  const onnx::TensorProto shape = int64_tensor(
      layer.name + ":shape", {-1, dst.shape.channels, dst.shape.height, dst.shape.width});
  graph_.node("Reshape", layer.name + "/shape", {moved, graph_.constant(shape)}, dst.name);
}

void NetworkWriter::write_concat(const Layer& layer) {
  const Activation& dst = activation(layer.dst);
  std::vector<std::string> inputs;
  for (const int64_t input : layer.inputs()) {
    inputs.push_back(
        operand(layer, input, is_matrix(layer.dst), ":part" + std::to_string(inputs.size())));
  }
  const std::string joined =
      form_.quantizes_choices() ? graph_.fresh(layer.name + ":joined") : dst.name;
  add_int(graph_.layer_node("Concat", layer.name, inputs, joined), "axis", 1);
  if (form_.quantizes_choices()) form_.quantize(dst, joined);
}

void NetworkWriter::write_max_pool(const Layer& layer) {
  const Activation& dst = activation(layer.dst);
  const std::string out = form_.quantizes_choices() ? graph_.fresh(layer.name + ":sum") : dst.name;
  write_pool(layer, "MaxPool", out);
  if (form_.quantizes_choices()) form_.quantize(dst, out);
}

/// Layers that compute real numbers, which are then rounded, or are the logits.
void NetworkWriter::write_rounded(const Layer& layer) {
  const Activation& dst = activation(layer.dst);
  const auto output = [&](bool final_step, const char* step) {
    return final_step && dst.is_float ? dst.name : graph_.fresh(layer.name + step);
  };
  const bool bare = layer.skip < 0 && !layer.relu;
  std::string at = write_operator(layer, output(bare, ":sum"));
  if (layer.skip >= 0) {
    const std::string added = output(!layer.relu, ":added");
    const std::string skip = operand(layer, layer.skip, is_matrix(layer.dst), ":skip");
    graph_.node("Add", layer.name + "/add", {at, skip}, added);
    at = added;
  }
  if (layer.relu) {
    const std::string rectified = output(true, ":relu");
    graph_.node("Relu", layer.name + "/relu", {at}, rectified);
    at = rectified;
  }
  if (!dst.is_float) {
    form_.quantize(dst, limited(layer, at));
  } else if (at != dst.name) {
    graph_.node("Identity", layer.name + "/result", {at}, dst.name);
  }
}

/// Narrower limits than those of the output's codes, as limits of what is rounded.
std::string NetworkWriter::limited(const Layer& layer, std::string at) {
  const Activation& dst = activation(layer.dst);
  const auto step = [&](const char* op, const char* suffix, int code) {
    const std::string out = graph_.fresh(layer.name + suffix);
    const float limit = dst.scale * static_cast<float>(code - dst.zero_point);
    graph_.node(op, layer.name + "/" + (suffix + 1),
                {at, graph_.constant(scalar_tensor(out + ":limit", limit))}, out);
    at = out;
  };
  if (layer.low > dst.min_code()) step("Max", ":at_least", layer.low);
  if (layer.high < dst.max_code()) step("Min", ":at_most", layer.high);
  return at;
}

/// What the operator computes: written as `output`, or of the layer whose result this one is too.
std::string NetworkWriter::write_operator(const Layer& layer, const std::string& output) {
  if (const std::string* result = result_of_twin(layer)) return *result;
  results_[static_cast<size_t>(&layer - network_.layers.data())] = output;
  switch (layer.kind) {
    case LayerKind::kAdd:
    case LayerKind::kMul: {
      const bool matrix = is_matrix(layer.dst);
      const std::string first = operand(layer, layer.src, matrix, ":first");
      const std::string second = operand(layer, layer.others.front(), matrix, ":plane");
      graph_.layer_node(layer.kind == LayerKind::kAdd ? "Add" : "Mul", layer.name, {first, second},
                        output);
      break;
    }
    case LayerKind::kAvgPool:
      write_pool(layer, "AveragePool", output);
      break;
    default:
      write_product(layer, output);
  }
  return output;
}

/// Of a layer that rounds another one's result a second time; null for all others.
const std::string* NetworkWriter::result_of_twin(const Layer& layer) const {
  if (layer.twin < 0) return nullptr;
  const auto index = static_cast<size_t>(layer.twin);
  const Layer& holder = network_.layers[index];
  FLATENN_CHECK(computes_the_same(layer, holder), describe(layer), ": shares the weights of ",
                describe(holder), " but reads another activation or has other biases, which an ",
                "ONNX file cannot say");
  return &results_[index];
}

void NetworkWriter::write_product(const Layer& layer, const std::string& output) {
  const bool linear = layer.kind == LayerKind::kLinear;
  const std::string src = operand(layer, layer.src, linear, linear ? ":flat" : ":plane");
  const std::string weights = form_.weights(layer);
  const std::string bias = form_.bias(layer, activation(layer.src).scale);
  onnx::NodeProto& node =
      graph_.layer_node(linear ? "Gemm" : "Conv", layer.name, {src, weights, bias}, output);
  if (linear) {
    add_int(node, "transB", 1);
    return;
  }
  add_window(node, layer, layer.weights.kernel_height, layer.weights.kernel_width);
  add_int(node, "group", layer.groups);
}

void NetworkWriter::write_pool(const Layer& layer, const std::string& op,
                               const std::string& output) {
  const std::string src = operand(layer, layer.src, /*matrix=*/false, ":plane");
  onnx::NodeProto& pool = graph_.layer_node(op, layer.name, {src}, output);
  add_window(pool, layer, layer.window.kernel_height, layer.window.kernel_width);
  if (layer.count_padding) add_int(pool, "count_include_pad", 1);
}

void NetworkWriter::add_window(onnx::NodeProto& node, const Layer& layer, int64_t kernel_height,
                               int64_t kernel_width) {
  const Window& w = layer.window;
  add_ints(node, "kernel_shape", {kernel_height, kernel_width});
  add_ints(node, "pads", {w.top, w.left, w.bottom, w.right});
  add_ints(node, "strides", {w.stride_height, w.stride_width});
  if (w.dilation_height == 1 && w.dilation_width == 1) return;
  add_ints(node, "dilations", {w.dilation_height, w.dilation_width});
  if (layer.kind == LayerKind::kAvgPool) opset_ = kOpsetOfDilatedAverages;
}

}  // namespace flatenn::interop
