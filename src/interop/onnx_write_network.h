#pragma once

#include <string>
#include <vector>

#include "interop/onnx_write_form.h"
#include "interop/onnx_write_graph.h"

namespace flatenn::interop {

/// Writes a network's layers as nodes, in any form of codes. The graph's input is
/// "<image>:pixels"; its output bears the name of the logits.
class NetworkWriter {
 public:
  NetworkWriter(const Network& network, GraphBuilder& graph, CodeForm& form);
  void write();
  /// What the nodes written need, whatever the form.
  int64_t opset() const { return opset_; }

 private:
  const Activation& activation(int64_t index) const {
    return network_.activations[static_cast<size_t>(index)];
  }
  bool is_matrix(int64_t index) const { return matrix_[static_cast<size_t>(index)]; }

  void check_names() const;
  std::string image_values(std::string at);

  // Shapes: ONNX sees what a linear layer writes as [N, C], all else as [N, C, H, W].
  bool writes_matrix(const Layer& layer) const;
  std::string operand(const Layer& layer, int64_t index, bool matrix, const std::string& suffix);

  void write_layer(const Layer& layer);
  void write_table(const Layer& layer);
  void write_move(const Layer& layer);
  void write_concat(const Layer& layer);
  void write_max_pool(const Layer& layer);
  void write_rounded(const Layer& layer);
  std::string write_operator(const Layer& layer, const std::string& output);
  const std::string* result_of_twin(const Layer& layer) const;
  void write_product(const Layer& layer, const std::string& output);
  void write_pool(const Layer& layer, const std::string& op, const std::string& output);
  void add_window(onnx::NodeProto& node, const Layer& layer, int64_t kernel_height,
                  int64_t kernel_width);
  std::string limited(const Layer& layer, std::string at);
  std::string placed(const Layer& layer, const CodeForm::Index& index);

  const Network& network_;
  GraphBuilder& graph_;
  CodeForm& form_;
  std::vector<bool> matrix_;          ///< Of each activation.
  std::vector<std::string> results_;  ///< Of each layer: what its operator alone computes.
  int64_t opset_ = 13;
};

}  // namespace flatenn::interop
