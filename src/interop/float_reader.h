#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "flatenn/interop/float_graph.h"
#include "flatenn/interop/onnx.h"
#include "interop/net_names.h"
#include "interop/onnx_constants.h"
#include "interop/onnx_graph.h"
#include "interop/onnx_input.h"

namespace flatenn::interop {

/// Builds a float graph from an ONNX graph, node by node; every failure names its node. Its members
/// stand in float_reader.cpp (the walk), float_layers.cpp (what computes) and float_shapes.cpp
/// (what moves).
class FloatReader {
 public:
  FloatReader(const onnx::GraphProto& graph, const std::filesystem::path& folder,
              std::vector<ImportedNode>* notes);
  FloatGraph run();

 private:
  using Node = onnx::NodeProto;

  /// What is known about a name of the file.
  struct Value {
    int64_t tensor = -1;
    std::vector<int64_t> dims = {};  ///< Without the batch.
    std::vector<int64_t> pads = {};  ///< Zeros around the plane, as ONNX's pads.
    bool dropped = false;            ///< Behind a Softmax or the like.
  };

  // The walk.
  void read_image();
  void read_node(const Node& node);
  void finish();
  const Value& value(const Node& node, int index) const;
  void set(const Node& node, Value value, int output = 0);
  void note(const Node& node, std::string became, std::string why = "");
  bool constant(const Node& node, int index) const;
  std::vector<float> floats(const Node& node, const std::string& name) const;
  std::vector<int64_t> extents(const std::string& name) const;
  std::string unique_name(const Node& node);
  /// Appends an operation on `inputs`; its output has `dims`.
  FloatOp& add(const Node& node, FloatKind kind, const std::vector<Value>& inputs,
               std::vector<int64_t> dims, int output = 0);

  // What computes.
  static Shape plane(const Node& node, const Value& from);
  void conv(const Node& node);
  void gemm(const Node& node);
  void matmul(const Node& node);
  void linear(const Node& node, bool transposed, float alpha, std::vector<float> bias);
  void batch_norm(const Node& node);
  void pool(const Node& node);
  void global_pool(const Node& node);
  void reduce_mean(const Node& node);
  void concat(const Node& node);
  void unary(const Node& node);
  void limits(const Node& node, int variable, float low, float high);
  void relu(const Node& node);
  void clip(const Node& node);
  void limit(const Node& node);
  void binary(const Node& node);
  void with_constant(const Node& node, int variable);
  void drop(const Node& node);

  // What moves.
  void identity(const Node& node);
  void cast(const Node& node);
  void flatten(const Node& node);
  void reshape(const Node& node);
  void reshape_to(const Node& node, std::vector<int64_t> dims);
  void squeeze(const Node& node);
  void pad(const Node& node);
  void transpose(const Node& node);
  void split(const Node& node);
  void slice(const Node& node);
  void part(const Node& node, const Value& from, int64_t axis, int64_t first, int64_t count,
            int output);

  const onnx::GraphProto& file_;
  std::vector<ImportedNode>* notes_;
  Constants constants_;
  FloatGraph graph_;
  std::map<std::string, Value> values_;
  std::map<std::string, int64_t> names_;
  int64_t batch_ = 1;
};

/// [C], [C, L], [C, H, W]; more dimensions in front count as channels.
Shape shape_of(const std::vector<int64_t>& dims);

}  // namespace flatenn::interop
