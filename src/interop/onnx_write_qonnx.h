#pragma once

#include <string>
#include <vector>

#include "interop/onnx_write_form.h"
#include "interop/onnx_write_graph.h"

namespace flatenn::interop {

/// The domain of QONNX's operators.
constexpr const char* kQonnxDomain = "qonnx.custom_op.general";

/// QONNX (Pappalardo et al., arXiv:2206.07527): Quant behind what is quantized, on float32 tensors;
/// BipolarQuant for weights of one bit. Tables are Gather on real values.
class QonnxForm : public CodeForm {
 public:
  explicit QonnxForm(GraphBuilder& graph) : graph_(graph) {}

  void quantize(const Activation& a, const std::string& real) override;
  bool quantizes_choices() const override { return false; }
  std::string weights(const Layer& layer) override;
  std::string bias(const Layer& layer, float src_scale) override;
  Index index(const Layer& layer, const Activation& a, const std::string& real) override;
  void look_up(const Layer& layer, const std::string& place, const Activation& dst) override;
  int64_t opset() const override { return 13; }

 private:
  struct Codes {
    int bits = 8;
    bool is_signed = true;
    bool narrow = false;
  };
  void quant(const std::string& base, const std::string& real, const std::string& output,
             const onnx::TensorProto& scale, const onnx::TensorProto& zero, const Codes& codes);

  GraphBuilder& graph_;
};

}  // namespace flatenn::interop
