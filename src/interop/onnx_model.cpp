#include "interop/onnx_model.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "flatenn/base/error.h"
#include "interop/onnx_graph.h"

namespace flatenn::interop {
namespace {

constexpr int64_t kOldestOpset = 9;  // QONNX files; QuantizeLinear came with 10
constexpr int64_t kNewestOpset = 28;

bool is_standard(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

/// Functions would give operators another meaning.
void refuse_functions(const onnx::ModelProto& model) {
  std::set<std::pair<std::string, std::string>> functions;
  for (const onnx::FunctionProto& function : model.functions()) {
    functions.emplace(function.domain(), function.name());
  }
  for (const onnx::NodeProto& node : model.graph().node()) {
    if (functions.contains({node.domain(), node.op_type()})) {
      fail_at(node, "is a function of the file, which is not supported (inline it)");
    }
  }
}

}  // namespace

int64_t read_opset(const onnx::ModelProto& model) {
  int64_t opset = 0;
  for (const onnx::OperatorSetIdProto& set : model.opset_import()) {
    if (!is_standard(set.domain())) continue;
    FLATENN_CHECK(opset == 0 || opset == set.version(), "names two versions of its operators, ",
                  opset, " and ", set.version());
    opset = set.version();
    FLATENN_CHECK(opset >= kOldestOpset && opset <= kNewestOpset, "opset ", opset,
                  " is not supported, expected ", kOldestOpset, " to ", kNewestOpset);
  }
  FLATENN_CHECK(opset != 0, "does not say the version of its operators (opset_import)");
  return opset;
}

bool is_quantized(const onnx::NodeProto& node) {
  constexpr std::array<std::string_view, 7> kParts = {
      "Quant", "QLinear", "Integer", "QGemm", "Requant", "Trunc", "MultiThreshold"};
  return std::any_of(kParts.begin(), kParts.end(), [&](std::string_view part) {
    return node.op_type().find(part) != std::string::npos;
  });
}

onnx::ModelProto parse_onnx(const std::string& bytes) {
  onnx::ModelProto model;
  FLATENN_CHECK(model.ParseFromString(bytes) && model.has_graph() && model.graph().node_size() > 0,
                "is not an ONNX model, or only a part of one");
  refuse_functions(model);
  return model;
}

const onnx::NodeProto* float_node(const onnx::GraphProto& graph) {
  const onnx::NodeProto* first = nullptr;
  for (const onnx::NodeProto& node : graph.node()) {
    if (is_quantized(node)) return nullptr;
    const std::string& op = node.op_type();
    if (first == nullptr && (op == "Conv" || op == "Gemm" || op == "MatMul")) first = &node;
  }
  return first;
}

}  // namespace flatenn::interop
