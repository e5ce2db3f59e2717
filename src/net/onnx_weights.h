#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <string>

#include "flatenn/net/network.h"
#include "net/onnx_constants.h"

namespace flatenn::net {

/// Fills weights and bias of a layer from a Conv, Gemm or MatMul node's constants.
///
/// Bits and value map come from our metadata where the file has it. Elsewhere bits are the fewest
/// that hold the range of Clip (or of the type), and a symmetric range whose values are all odd is
/// read as kOdd.
class WeightReader {
 public:
  WeightReader(const Constants& constants, const std::map<std::string, std::string>& metadata)
      : constants_(constants), metadata_(metadata) {}

  /// `transposed`: the matrix is [inputs, outputs], as MatMul has it.
  void read_weights(const onnx::NodeProto& node, const std::string& tensor, bool transposed,
                    Layer& layer) const;
  /// `tensor` may be "" (zeros), int32 with DequantizeLinear, or float (rounded to the layer's
  /// units).
  void read_bias(const onnx::NodeProto& node, const std::string& tensor, float src_scale,
                 Layer& layer) const;

 private:
  const std::string* property(const std::string& layer, const std::string& key) const;
  void set_format(const onnx::NodeProto& node, const QuantizedConstant& constant,
                  const std::string& layer, Weights& weights) const;

  const Constants& constants_;
  const std::map<std::string, std::string>& metadata_;
};

}  // namespace flatenn::net
