#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace flatenn::net {

/// Integers with the scale that makes them real, as DequantizeLinear of a constant gives them; the
/// zero point is subtracted already.
struct QuantizedConstant {
  std::vector<int64_t> dims;
  std::vector<int64_t> values;
  std::vector<float> scales;  ///< Empty before DequantizeLinear; one, or one a slice of `axis`.
  int64_t low = INT64_MIN;    ///< What the type and Clip allow.
  int64_t high = INT64_MAX;
  bool is_signed = true;
};

/// The constants of a graph: initializers, Constant nodes, and what QuantizeLinear, Clip,
/// DequantizeLinear and Identity make of them.
class Constants {
 public:
  explicit Constants(const onnx::GraphProto& graph);

  /// Takes the node where all it reads is constant; false where it is not one of ours.
  bool absorb(const onnx::NodeProto& node);

  const onnx::TensorProto* raw(const std::string& name) const;
  const QuantizedConstant* dequantized(const std::string& name) const;

  /// One float; throws Error naming the node otherwise.
  float scalar(const onnx::NodeProto& node, const std::string& name) const;
  /// One integer of type INT8 or UINT8, and which.
  struct Code {
    int64_t value = 0;
    bool is_signed = false;
  };
  Code code(const onnx::NodeProto& node, const std::string& name) const;

 private:
  void absorb_constant(const onnx::NodeProto& node);
  void quantize(const onnx::NodeProto& node);
  void clip(const onnx::NodeProto& node);
  void dequantize(const onnx::NodeProto& node);
  QuantizedConstant integers(const onnx::NodeProto& node, const std::string& name) const;
  std::vector<float> scales(const onnx::NodeProto& node, const std::vector<int64_t>& dims) const;
  int64_t zero_point(const onnx::NodeProto& node) const;

  std::map<std::string, onnx::TensorProto> owned_;  ///< Values of Constant nodes.
  std::map<std::string, const onnx::TensorProto*> raw_;
  std::map<std::string, QuantizedConstant> quantized_;
};

}  // namespace flatenn::net
