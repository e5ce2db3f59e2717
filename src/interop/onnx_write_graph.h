#pragma once

#include <onnx/onnx_pb.h>

#include <set>
#include <string>
#include <vector>

#include "interop/net_names.h"

/// Making an ONNX graph node by node.
namespace flatenn::interop {

void add_int(onnx::NodeProto& node, const std::string& name, int64_t value);
void add_ints(onnx::NodeProto& node, const std::string& name, const std::vector<int64_t>& values);
void add_text(onnx::NodeProto& node, const std::string& name, const std::string& value);

class GraphBuilder {
 public:
  /// Nodes of layer_node() bear layers' names, and no others do; activations' names are those of
  /// tensors that stand for them.
  GraphBuilder(onnx::GraphProto& graph, const Network& network);

  /// A name for a tensor that no activation and no tensor bears yet: this one, or one like it.
  std::string fresh(const std::string& name);

  /// The node's name is made unique; its output's comes from fresh(), or is an activation's.
  onnx::NodeProto& node(const std::string& op, const std::string& name,
                        const std::vector<std::string>& inputs, const std::string& output);
  /// The node that bears a layer's name.
  onnx::NodeProto& layer_node(const std::string& op, const std::string& layer,
                              const std::vector<std::string>& inputs, const std::string& output);
  /// Stores a tensor under its name, or one like it; returns that.
  std::string constant(onnx::TensorProto tensor);
  /// The graph's input and output: float32 [N, C, H, W], or [N, C] where `matrix`.
  void input(const std::string& name, const Shape& shape);
  void output(const std::string& name, const Shape& shape, bool matrix);

 private:
  onnx::NodeProto& add_node(const std::string& op, const std::string& name,
                            const std::vector<std::string>& inputs, const std::string& output);

  onnx::GraphProto& graph_;
  std::set<std::string> nodes_;
  std::set<std::string> tensors_;
};

}  // namespace flatenn::interop
