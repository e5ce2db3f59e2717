#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "flatenn/net/network.h"

namespace flatenn::interop {

/// What a node of a file became.
struct ImportedNode {
  std::string name;
  std::string op;
  std::string became;  ///< "conv", "table", "bias", ...
  std::string why;     ///< Where it is not kept exactly: what was done. Empty: exact.
};

/// The numbers that a network takes for a pixel p in [0, 255].
enum class Pixels {
  kAsSaid,      ///< What the file says or shows; else normalized.
  kNormalized,  ///< As the data set's mean and deviation make them.
  kBytes,       ///< p
  kUnit,        ///< p / 255
  kSymmetric,   ///< p / 127.5 - 1
};
/// How pixels become these numbers; normalized for kAsSaid.
net::ImageTransform image_transform(Pixels pixels);

struct ReadOptions {
  /// Bits of every layer's stored weights, where the file's type holds more than its codes use; 0:
  /// what the file's types, Clip nodes and metadata say.
  int weight_bits = 0;
  Pixels pixels = Pixels::kAsSaid;
};

/// Reads a frozen network from an ONNX file in QDQ form (as write_onnx makes, or made elsewhere),
/// in QOperator form or in QONNX form, or from the model.onnx of a run folder. `notes`, where
/// given, takes what each node became. Throws Error naming the file, and the node with its operator
/// where something cannot be kept.
net::Network read_onnx(const std::filesystem::path& path, const ReadOptions& options = {},
                       std::vector<ImportedNode>* notes = nullptr);

/// How an ONNX file says what is quantized.
enum class OnnxForm {
  /// INT8 and UINT8 QuantizeLinear and DequantizeLinear, with Clip to narrower codes (opset 13).
  kQdq,
  /// As kQdq; weights of up to 4 bits are INT4, activations of 4 bits between such layers INT4 or
  /// UINT4 (opset 21).
  kQdqInt4,
  /// Quant and BipolarQuant of domain qonnx.custom_op.general, on float32 tensors, for FINN and
  /// hls4ml.
  kQonnx,
};

/// Writes a network; batch norm is inside per-channel weight scales, biases have 32 bits. Codes,
/// scales and metadata survive the round trip exactly, but for biases beyond 2^24 in kQonnx, which
/// holds them as float32. Any ONNX runtime can run the first form. The write is atomic. Throws
/// Error naming the layer that the form cannot hold.
void write_onnx(const net::Network& network, const std::filesystem::path& path,
                OnnxForm form = OnnxForm::kQdq);

}  // namespace flatenn::interop
