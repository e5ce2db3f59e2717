#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "interop/onnx_constants.h"
#include "interop/onnx_write_form.h"
#include "interop/onnx_write_graph.h"

namespace flatenn::interop {

/// QuantizeLinear and DequantizeLinear on INT8 and UINT8, with Clip to narrower codes. With `int4`
/// weights whose values fit four bits are INT4, and activations of four bits between layers of such
/// weights UINT4 or INT4 (opset 21): ONNX Runtime runs max-pools, and products of other weights, on
/// codes, which it cannot do on words of four bits. "<a>:codes" are an activation's codes.
class QdqForm : public CodeForm {
 public:
  QdqForm(GraphBuilder& graph, const Network& network, bool int4);

  void quantize(const Activation& a, const std::string& real) override;
  bool quantizes_choices() const override { return true; }
  std::string weights(const Layer& layer) override;
  std::string bias(const Layer& layer, float src_scale) override;
  Index index(const Layer& layer, const Activation& a, const std::string& real) override;
  void look_up(const Layer& layer, const std::string& place, const Activation& dst) override;
  int64_t opset() const override { return int4_ ? 21 : 13; }

 private:
  /// The type whose words hold an activation's codes.
  CodeType word(const Activation& a) const;
  /// A layer's weights as the integers that multiply.
  std::string weight_values(const Layer& layer, const CodeType& type, const std::string& base);
  std::string clip(const std::string& name, int low, int high, const CodeType& type);
  void read_codes(const Activation& a, const std::string& codes, const std::string& scale,
                  const std::string& zero);
  std::string dequantize(const std::string& base, const std::string& values,
                         const std::vector<float>& scales, const std::string& zero = "");

  GraphBuilder& graph_;
  bool int4_;
  std::set<std::string> narrow_;              ///< Activations in words of four bits, by name.
  std::map<std::string, std::string> codes_;  ///< Of activations that were quantized, by name.
};

}  // namespace flatenn::interop
