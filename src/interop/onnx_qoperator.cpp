#include "flatenn/base/error.h"
#include "interop/onnx_importer.h"

/// ONNX Runtime's QOperator form: an operator with the scales and zero points of its inputs and its
/// output. Each is read as the nodes it stands for: DequantizeLinear, the operator, QuantizeLinear.
namespace flatenn::interop {
namespace {

/// Where an operator's arguments stand among its inputs.
struct Form {
  const char* op;             ///< The operator on real values.
  int inputs;                 ///< Quantized inputs, each followed by scale and zero point.
  int output_scale;           ///< Index of the output's scale; its zero point follows.
  int bias = -1;              ///< Index of the int32 bias.
  bool output_first = false;  ///< QLinearConcat: scale and zero point of the output come first.
};

const std::map<std::string, Form>& forms() {
  static const std::map<std::string, Form> kForms = {
      {"QLinearConv", {"Conv", 2, 6, 8}},
      {"QLinearMatMul", {"MatMul", 2, 6}},
      {"QGemm", {"Gemm", 2, 7, 6}},
      {"QLinearAdd", {"Add", 2, 6}},
      {"QLinearMul", {"Mul", 2, 6}},
      {"QLinearAveragePool", {"AveragePool", 1, 3}},
      {"QLinearGlobalAveragePool", {"GlobalAveragePool", 1, 3}},
      {"QLinearLeakyRelu", {"LeakyRelu", 1, 3}},
      {"QLinearSigmoid", {"Sigmoid", 1, 3}},
      {"QLinearReduceMean", {"ReduceMean", 1, 3}},
      {"QLinearSoftmax", {"Softmax", 1, 3}},
      {"QLinearConcat", {"Concat", 0, 0, -1, true}},
  };
  return kForms;
}

onnx::NodeProto step(const std::string& op, const std::string& name,
                     const std::vector<std::string>& inputs, const std::string& output) {
  onnx::NodeProto node;
  node.set_op_type(op);
  node.set_name(name);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(output);
  return node;
}

/// ONNX Runtime's own operators: scales and zero points are single numbers without dimensions (save
/// those of weights), zero points of activations have one type.
void check_microsoft(const onnx::NodeProto& node, const Constants& constants,
                     const std::vector<int>& scales) {
  int type = 0;
  for (const int at : scales) {
    const bool zero = !input_or_none(node, at + 1).empty();
    const Constant scale = constants.codes(node, required_input(node, at));
    if (!scale.dims.empty()) fail_at(node, detail::concat("input ", at, " must be one number"));
    if (!zero) continue;
    const Constant point = constants.codes(node, node.input(at + 1));
    if (!point.dims.empty()) fail_at(node, detail::concat("input ", at + 1, " must be one number"));
    if (type != 0 && point.type != type) fail_at(node, "its zero points have several types");
    type = point.type;
  }
}

/// The scales of a node's activations and of its output, by the index of the input.
std::vector<int> activation_scales(const Form& form, int inputs, int first, bool weights) {
  std::vector<int> scales;
  for (int i = 0; i < inputs; ++i) {
    if (!(weights && i == 1)) scales.push_back(first + 3 * i + 1);
  }
  scales.push_back(form.output_scale);
  return scales;
}

bool is_flag(const std::string& name) { return name == "channels_last" || name == "opset"; }

}  // namespace

void Importer::qlinear(const Node& node) {
  const Form& form = forms().at(node.op_type());
  expect_io(node, 1000);
  const std::string& out = node.output(0);
  const std::string name = node.name().empty() ? out : node.name();
  const int inputs = form.output_first ? (node.input_size() - 2) / 3 : form.inputs;
  if (form.output_first && (node.input_size() < 5 || (node.input_size() - 2) % 3 != 0)) {
    fail_at(node, "expected three inputs for each tensor");
  }
  const int first = form.output_first ? 2 : 0;
  const bool multiplies = form.op == std::string("Conv") || form.op == std::string("MatMul") ||
                          form.op == std::string("Gemm");
  if (node.domain() == "com.microsoft" && !input_or_none(node, form.output_scale).empty()) {
    check_microsoft(node, constants_, activation_scales(form, inputs, first, multiplies));
  }
  Node operation = step(form.op, name, {}, out + ":real");
  for (int i = 0; i < inputs; ++i) {
    const int at = first + 3 * i;
    const std::string real_name = out + ":input" + std::to_string(i);
    Node dequantize = step("DequantizeLinear", name,
                           {required_input(node, at), required_input(node, at + 1)}, real_name);
    if (multiplies) required_input(node, at + 2);
    if (!input_or_none(node, at + 2).empty()) dequantize.add_input(node.input(at + 2));
    const bool weights = i == 1 && constants_.find(node.input(at)) != nullptr;
    if (weights && node.op_type() == "QGemm" && constants_.find(node.input(at + 1)) != nullptr) {
      const Constant scale = constants_.codes(node, node.input(at + 1));
      const Constant zero = constants_.codes(node, node.input(at + 2));
      if (scale.dims != zero.dims || (scale.dims.size() == 1 && scale.dims[0] == 1)) {
        fail_at(node, "the scale and zero point of its weights must be numbers or lists alike");
      }
    }
    if (weights) {
      // Outputs are rows of a convolution's filters and of a transposed matrix, else columns.
      onnx::AttributeProto& axis = *dequantize.add_attribute();
      axis.set_name("axis");
      axis.set_type(onnx::AttributeProto::INT);
      int64_t trans_b = 0;
      for (const onnx::AttributeProto& a : node.attribute()) {
        if (a.name() == "transB") trans_b = a.i();
      }
      axis.set_i(std::string(form.op) == "Conv" || trans_b != 0 ? 0 : 1);
    }
    if (!constants_.absorb(dequantize)) read_node(dequantize);
    operation.add_input(real_name);
  }
  if (form.bias >= 0 && !input_or_none(node, form.bias).empty())
    operation.add_input(node.input(form.bias));
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (!is_flag(attribute.name())) {
      *operation.add_attribute() = attribute;
    } else if (attribute.name() == "channels_last" && attribute.i() != 0) {
      fail_at(node, "channels_last is not supported");
    }
  }
  raw_bias_ = true;
  for (const std::string& input : operation.input()) ++readers_[input];
  read_node(operation);
  raw_bias_ = false;
  if (input_or_none(node, form.output_scale).empty()) {
    set(node, tensors_.at(out + ":real"));  // QGemm without output scale: float
    return;
  }
  Node quantize = step("QuantizeLinear", name, {out + ":real", node.input(form.output_scale)}, out);
  if (!input_or_none(node, form.output_scale + 1).empty()) {
    quantize.add_input(node.input(form.output_scale + 1));
  }
  read_node(quantize);
  tensors_.erase(out + ":real");
}

}  // namespace flatenn::interop
