#include "interop/onnx_importer.h"

#include <algorithm>

#include "flatenn/base/error.h"
#include "interop/reader_parts.h"

namespace flatenn::interop {

Importer::Importer(const onnx::GraphProto& graph, int64_t opset,
                   const std::filesystem::path& folder, Network& network,
                   const ReadOptions& options, std::vector<ImportedNode>* notes)
    : graph_(graph),
      network_(network),
      options_(options),
      notes_(notes),
      constants_(graph, folder, [this](const std::string& name) { return extents(name); }),
      opset_(opset) {}

void Importer::run() {
  read_image();
  for (const Node& node : graph_.node()) {
    for (const std::string& input : node.input()) ++readers_[input];
  }
  remaining_ = readers_;
  for (const onnx::ValueInfoProto& output : graph_.output()) ++remaining_[output.name()];
  for (const Node& node : graph_.node()) {
    for (const std::string& output : node.output()) {
      if (tensors_.contains(output)) fail_exists(node, output);
    }
    if (constants_.absorb(node)) {
      note(node, "constant");
    } else {
      read_node(node);
    }
    release(node);
  }
  finish_logits();
}

/// Layers with their weights that no later node reads.
void Importer::release(const Node& node) {
  for (const std::string& input : node.input()) {
    const auto readers = remaining_.find(input);
    if (readers == remaining_.end() || --readers->second > 0) continue;
    const auto found = tensors_.find(input);
    if (found == tensors_.end()) continue;
    found->second.pending = nullptr;
    found->second.parts.clear();
  }
}

void Importer::read_image() {
  const ImageInput input = image_input(graph_, constants_);
  const bool is_float = input.type == onnx::TensorProto::FLOAT;
  FLATENN_CHECK(
      is_float || input.type == onnx::TensorProto::UINT8 || input.type == onnx::TensorProto::INT8,
      "graph: input ", input.name, " must be FLOAT, UINT8 or INT8");
  Tensor tensor{.kind = Tensor::Kind::kImage, .dims = input.dims, .is_float = is_float};
  FLATENN_CHECK(is_float || options_.pixels == Pixels::kAsSaid, "graph: input ", input.name,
                " holds codes, so that there is no choice of pixels");
  tensor.image = image_transform(options_.pixels);
  tensor.is_signed = input.type == onnx::TensorProto::INT8;
  const auto said = network_.metadata.find("image");
  if (!is_float || (said != network_.metadata.end() && said->second == "pixels")) {
    tensor.image.raw_pixels = true;
  }
  const auto rounding = network_.metadata.find("image_rounding");
  tensor.image.half_away = rounding != network_.metadata.end() && rounding->second == "half-away";
  batch_ = input.batch;
  fixed_batch_ = input.fixed_batch;
  const std::vector<int64_t>& dims = tensor.dims;
  Activation activation;
  activation.shape = dims.size() == 1 ? Shape{dims[0], 1, 1} : Shape{dims[0], dims[1], dims[2]};
  check_elements(input.name, activation.shape);
  network_.activations.push_back(activation);
  tensors_[input.name] = tensor;
}

void Importer::read_node(const Node& node) {
  using Handler = void (Importer::*)(const Node&);
  static const std::map<std::string, Handler> kHandlers = {
      {"QuantizeLinear", &Importer::quantize},
      {"DequantizeLinear", &Importer::dequantize},
      {"Clip", &Importer::clip},
      {"Quant", &Importer::quant},
      {"IntQuant", &Importer::quant},
      {"BipolarQuant", &Importer::bipolar_quant},
      {"Trunc", &Importer::trunc},
      {"MultiThreshold", &Importer::multi_threshold},
      {"Conv", &Importer::conv},
      {"Gemm", &Importer::gemm},
      {"MatMul", &Importer::matmul},
      {"BatchNormalization", &Importer::batch_norm},
      {"Relu", &Importer::relu},
      {"MaxPool", &Importer::pool},
      {"AveragePool", &Importer::pool},
      {"GlobalAveragePool", &Importer::global_pool},
      {"GlobalMaxPool", &Importer::global_pool},
      {"ReduceMean", &Importer::reduce_mean},
      {"Concat", &Importer::concat},
      {"Add", &Importer::binary},
      {"Sub", &Importer::binary},
      {"Mul", &Importer::binary},
      {"Div", &Importer::binary},
      {"Max", &Importer::limit},
      {"Min", &Importer::limit},
      {"LeakyRelu", &Importer::unary},
      {"Elu", &Importer::unary},
      {"HardSigmoid", &Importer::unary},
      {"HardSwish", &Importer::unary},
      {"Sigmoid", &Importer::unary},
      {"Tanh", &Importer::unary},
      {"Softplus", &Importer::unary},
      {"Gelu", &Importer::unary},
      {"Mish", &Importer::unary},
      {"Selu", &Importer::unary},
      {"Softsign", &Importer::unary},
      {"PRelu", &Importer::prelu},
      {"Abs", &Importer::unary},
      {"Neg", &Importer::unary},
      {"Exp", &Importer::unary},
      {"Sqrt", &Importer::unary},
      {"Erf", &Importer::unary},
      {"Round", &Importer::unary},
      {"Softmax", &Importer::drop},
      {"LogSoftmax", &Importer::drop},
      {"ArgMax", &Importer::drop},
      {"TopK", &Importer::drop},
      {"Identity", &Importer::identity},
      {"Dropout", &Importer::identity},
      {"Cast", &Importer::cast},
      {"Flatten", &Importer::flatten},
      {"Reshape", &Importer::reshape},
      {"Pad", &Importer::pad},
      {"Transpose", &Importer::transpose},
      {"Squeeze", &Importer::squeeze},
      {"Unsqueeze", &Importer::squeeze},
      {"Gather", &Importer::gather},
      {"QLinearConv", &Importer::qlinear},
      {"QLinearMatMul", &Importer::qlinear},
      {"QGemm", &Importer::qlinear},
      {"QLinearAdd", &Importer::qlinear},
      {"QLinearMul", &Importer::qlinear},
      {"QLinearAveragePool", &Importer::qlinear},
      {"QLinearGlobalAveragePool", &Importer::qlinear},
      {"QLinearLeakyRelu", &Importer::qlinear},
      {"QLinearSigmoid", &Importer::qlinear},
      {"QLinearReduceMean", &Importer::qlinear},
      {"QLinearSoftmax", &Importer::qlinear},
      {"QLinearConcat", &Importer::qlinear}};
  static const std::vector<std::string> kDomains = {"",
                                                    "ai.onnx",
                                                    "com.microsoft",
                                                    "qonnx.custom_op.general",
                                                    "onnx.brevitas",
                                                    "finn.custom_op.general"};
  const auto handler = kHandlers.find(node.op_type());
  const bool known = std::find(kDomains.begin(), kDomains.end(), node.domain()) != kDomains.end();
  if (node.op_type() == "ConvInteger" || node.op_type() == "MatMulInteger" ||
      node.op_type() == "DynamicQuantizeLinear") {
    fail_at(node,
            "dynamic quantization is not supported: scales must be constants (quantize "
            "statically)");
  }
  if (!known) fail_at(node, "operators of domain " + node.domain() + " are not supported");
  if (handler == kHandlers.end()) fail_at(node, "operator is not supported");
  if (!distribute(node)) (this->*handler->second)(node);
}

const Tensor& Importer::tensor(const Node& node, int index) const {
  const std::string name = required_input(node, index);
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    fail_at(node, "reads " + name +
                      (constants_.find(name) != nullptr ? ", which is a constant"
                                                        : ", which nothing before it computed"));
  }
  const Tensor& t = found->second;
  const std::string& op = node.op_type();
  const bool shifts = op == "Add" && (constant(node, 0) || constant(node, 1));
  if (t.places && op != "Gather" && !shifts) {
    fail_at(node, "reads integers that a Cast made of real numbers, which only a table may");
  }
  if (!t.pads.empty() && op != "Conv") {
    fail_at(node, "reads what Pad made, which only a convolution may");
  }
  if (!t.channel_scales.empty() && op != "Conv" && op != "DequantizeLinear") {
    fail_at(node,
            "reads codes with a scale for each channel, which only a depthwise convolution may");
  }
  if (t.without_batch && op != "Softmax" && op != "LogSoftmax" && op != "Identity") {
    fail_at(node, "reads a tensor without its batch dimension");
  }
  return found->second;
}

void Importer::note(const Node& node, std::string became, std::string why) {
  if (notes_ == nullptr) return;
  notes_->push_back({.name = node.name().empty() ? node.output(0) : node.name(),
                     .op = node.op_type(),
                     .became = std::move(became),
                     .why = std::move(why)});
}

std::vector<int64_t> Importer::extents(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return {};
  std::vector<int64_t> result{batch_};
  result.insert(result.end(), found->second.dims.begin(), found->second.dims.end());
  return result;
}

/// The node's name, made unique among layers.
std::string Importer::layer_name(const Node& node) {
  return layer_name(node.name().empty() ? node.output(0) : node.name());
}

std::string Importer::layer_name(const std::string& base) {
  std::string name = base;
  while (!names_.emplace(name, 0).second) name = base + "_" + std::to_string(++names_[base] + 1);
  return name;
}

void Importer::finish_logits() {
  FLATENN_CHECK(graph_.output_size() > 0, "graph: has no output");
  std::string name;
  for (const onnx::ValueInfoProto& output : graph_.output()) {
    const auto found = tensors_.find(output.name());
    FLATENN_CHECK(found != tensors_.end(), "graph: output ", output.name(),
                  " is computed by no node");
    const bool drops = found->second.kind == Tensor::Kind::kDropped;
    FLATENN_CHECK(drops || name.empty(), "graph: has outputs ", name, " and ", output.name(),
                  ", expected one");
    if (!drops) name = output.name();
  }
  if (name.empty()) name = graph_.output(0).name();
  Tensor& out = tensors_.at(name);
  if (out.kind == Tensor::Kind::kPending) {
    append_pending(graph_.node(graph_.node_size() - 1), *out.pending, nullptr, name);
  }
  FLATENN_CHECK(out.channel_scales.empty() && out.pads.empty(), "graph: output ", name,
                " has a scale for each channel, or pads");
  const bool last = out.kind == Tensor::Kind::kPending || out.kind == Tensor::Kind::kDropped ||
                    ((out.kind == Tensor::Kind::kReal || out.kind == Tensor::Kind::kCodes) &&
                     !network_.layers.empty() && network_.layers.back().dst == out.activation);
  FLATENN_CHECK(last, "graph: output ", name, " is not the result of the last layer");
  std::map<std::string, int64_t> seen;
  for (Activation& a : network_.activations) {
    const std::string base = a.name;
    while (!seen.emplace(a.name, 0).second) a.name = base + "_" + std::to_string(++seen[base] + 1);
  }
}

}  // namespace flatenn::interop
