#include "interop/float_reader.h"

#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "interop/onnx_model.h"

namespace flatenn::interop {
namespace {

/// Of one tensor: some are held for several images at once.
constexpr int64_t kMostWeights = int64_t{1} << 25;

}  // namespace

Shape shape_of(const std::vector<int64_t>& dims) {
  Shape shape{1, 1, 1};
  const size_t rank = dims.size();
  const size_t planes = rank >= 3 ? rank - 2 : 1;
  for (size_t i = 0; i < std::min(planes, rank); ++i) shape.channels *= dims[i];
  if (rank >= 2) shape.height = dims[planes];
  if (rank >= 3) shape.width = dims[planes + 1];
  return shape;
}

FloatReader::FloatReader(const onnx::GraphProto& graph, const std::filesystem::path& folder,
                         std::vector<ImportedNode>* notes)
    : file_(graph),
      notes_(notes),
      constants_(graph, folder, [this](const std::string& name) { return extents(name); }) {}

FloatGraph FloatReader::run() {
  read_image();
  for (const Node& node : file_.node()) {
    for (const std::string& output : node.output()) {
      if (values_.contains(output)) fail_exists(node, output);
    }
    if (constants_.absorb(node)) {
      note(node, "constant");
    } else {
      read_node(node);
    }
  }
  finish();
  return std::move(graph_);
}

void FloatReader::read_image() {
  const ImageInput input = image_input(file_, constants_);
  FLATENN_CHECK(input.type == onnx::TensorProto::FLOAT || input.type == onnx::TensorProto::UINT8,
                "graph: input ", input.name, " must be FLOAT or UINT8");
  graph_.image.raw_pixels = input.type == onnx::TensorProto::UINT8;
  batch_ = input.batch;
  graph_.input = shape_of(input.dims);
  FLATENN_CHECK(graph_.input.elements() <= kMostWeights, "graph: input ", input.name, " has ",
                graph_.input.elements(), " values, expected at most ", kMostWeights);
  graph_.tensors.push_back(input.name);
  values_[input.name] = Value{.tensor = 0, .dims = input.dims};
}

void FloatReader::read_node(const Node& node) {
  using Handler = void (FloatReader::*)(const Node&);
  static const std::map<std::string, Handler> kHandlers = {
      {"Conv", &FloatReader::conv},
      {"Gemm", &FloatReader::gemm},
      {"MatMul", &FloatReader::matmul},
      {"BatchNormalization", &FloatReader::batch_norm},
      {"MaxPool", &FloatReader::pool},
      {"AveragePool", &FloatReader::pool},
      {"GlobalAveragePool", &FloatReader::global_pool},
      {"GlobalMaxPool", &FloatReader::global_pool},
      {"ReduceMean", &FloatReader::reduce_mean},
      {"Concat", &FloatReader::concat},
      {"Relu", &FloatReader::relu},
      {"Clip", &FloatReader::clip},
      {"Max", &FloatReader::limit},
      {"Min", &FloatReader::limit},
      {"LeakyRelu", &FloatReader::unary},
      {"Elu", &FloatReader::unary},
      {"HardSigmoid", &FloatReader::unary},
      {"HardSwish", &FloatReader::unary},
      {"Sigmoid", &FloatReader::unary},
      {"Tanh", &FloatReader::unary},
      {"Softplus", &FloatReader::unary},
      {"Abs", &FloatReader::unary},
      {"Neg", &FloatReader::unary},
      {"Exp", &FloatReader::unary},
      {"Sqrt", &FloatReader::unary},
      {"Erf", &FloatReader::unary},
      {"Add", &FloatReader::binary},
      {"Sub", &FloatReader::binary},
      {"Mul", &FloatReader::binary},
      {"Div", &FloatReader::binary},
      {"Softmax", &FloatReader::drop},
      {"LogSoftmax", &FloatReader::drop},
      {"ArgMax", &FloatReader::drop},
      {"TopK", &FloatReader::drop},
      {"Identity", &FloatReader::identity},
      {"Dropout", &FloatReader::identity},
      {"Cast", &FloatReader::cast},
      {"Flatten", &FloatReader::flatten},
      {"Reshape", &FloatReader::reshape},
      {"Squeeze", &FloatReader::squeeze},
      {"Unsqueeze", &FloatReader::squeeze},
      {"Pad", &FloatReader::pad},
      {"Transpose", &FloatReader::transpose},
      {"Split", &FloatReader::split},
      {"Slice", &FloatReader::slice}};
  const auto handler = kHandlers.find(node.op_type());
  const bool known = node.domain().empty() || node.domain() == "ai.onnx";
  if (is_quantized(node)) fail_at(node, "is quantized already: import it without --calibrate");
  if (handler == kHandlers.end() || !known) {
    fail_at(node, "operator is not supported in a float network" +
                      (known ? std::string() : " (domain " + node.domain() + ")"));
  }
  (this->*handler->second)(node);
}

void FloatReader::finish() {
  FLATENN_CHECK(file_.output_size() == 1, "graph: expected one output, got ", file_.output_size());
  const std::string& name = file_.output(0).name();
  const auto found = values_.find(name);
  FLATENN_CHECK(found != values_.end(), "graph: output ", name, " is computed by no node");
  graph_.output = found->second.tensor;
  FLATENN_CHECK(graph_.output != 0, "graph: output ", name, " is the image");
}

const FloatReader::Value& FloatReader::value(const Node& node, int index) const {
  const std::string name = required_input(node, index);
  const auto found = values_.find(name);
  if (found == values_.end()) {
    fail_at(node, "reads " + name +
                      (constants_.find(name) != nullptr ? ", which is a constant"
                                                        : ", which nothing before it computed"));
  }
  if (!found->second.pads.empty() && node.op_type() != "Conv") {
    fail_at(node, "reads what Pad made, which only a convolution may");
  }
  if (found->second.dropped) fail_at(node, "reads " + name + ", which stands behind the logits");
  return found->second;
}

void FloatReader::set(const Node& node, Value value, int output) {
  values_[node.output(output)] = std::move(value);
}

void FloatReader::note(const Node& node, std::string became, std::string why) {
  if (notes_ == nullptr) return;
  notes_->push_back({.name = node.name().empty() ? node.output(0) : node.name(),
                     .op = node.op_type(),
                     .became = std::move(became),
                     .why = std::move(why)});
}

bool FloatReader::constant(const Node& node, int index) const {
  return constants_.find(required_input(node, index)) != nullptr;
}

/// Of a constant; throws Error where one is not finite.
std::vector<float> FloatReader::floats(const Node& node, const std::string& name) const {
  std::vector<float> result = constants_.floats(node, name);
  for (size_t i = 0; i < result.size(); ++i) {
    if (!std::isfinite(result[i])) {
      fail_at(node, detail::concat("element ", i, " of ", name, " is ", result[i],
                                   ", expected a finite number"));
    }
  }
  return result;
}

std::vector<int64_t> FloatReader::extents(const std::string& name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return {};
  std::vector<int64_t> result{batch_};
  result.insert(result.end(), found->second.dims.begin(), found->second.dims.end());
  return result;
}

/// The node's name, made unique among operations.
std::string FloatReader::unique_name(const Node& node) {
  const std::string base = node.name().empty() ? node.output(0) : node.name();
  std::string name = base;
  while (!names_.emplace(name, 0).second) name = base + "_" + std::to_string(++names_[base] + 1);
  return name;
}

FloatOp& FloatReader::add(const Node& node, FloatKind kind, const std::vector<Value>& inputs,
                          std::vector<int64_t> dims, int output) {
  FloatOp op{.name = unique_name(node), .type = node.op_type(), .kind = kind};
  for (const Value& input : inputs) op.inputs.push_back(input.tensor);
  op.in = shape_of(inputs.front().dims);
  op.out = shape_of(dims);
  if (op.out.elements() > kMostWeights) {
    fail_at(node, detail::concat("makes ", op.out.elements(),
                                 " values of one image, expected at most ", kMostWeights));
  }
  op.output = std::ssize(graph_.tensors);
  graph_.tensors.push_back(node.output(output));
  set(node, {.tensor = op.output, .dims = std::move(dims)}, output);
  graph_.ops.push_back(std::move(op));
  return graph_.ops.back();
}

FloatGraph read_float_onnx(const std::filesystem::path& path, std::vector<ImportedNode>* notes) {
  const std::string bytes = read_file(path);
  try {
    const onnx::ModelProto model = parse_onnx(bytes);
    read_opset(model);
    const std::filesystem::path beside = path.has_parent_path() ? path.parent_path() : ".";
    FloatGraph graph = FloatReader(model.graph(), beside, notes).run();
    graph.name = model.graph().name();
    return graph;
  } catch (const Error& error) {
    throw Error(path.string() + ": " + error.what());
  }
}

}  // namespace flatenn::interop
