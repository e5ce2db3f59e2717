#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "interop/tflite_generated.h"

/// A TensorFlow Lite file, checked: every index, length and claim in it holds.
namespace flatenn::interop {

struct TfliteTensor {
  std::string name;
  std::vector<int64_t> dims;  ///< With the batch; a dynamic first one is 1.
  tflite::TensorType type = tflite::TensorType_FLOAT32;
  std::vector<float> scales;         ///< Empty where it is not quantized.
  std::vector<int64_t> zero_points;  ///< One for each scale.
  int64_t axis = 0;                  ///< That the scales run along, where there are several.
  std::span<const uint8_t> data;     ///< Of constants; else empty.
  bool constant = false;

  int64_t elements() const;
  bool is_codes() const {
    return type == tflite::TensorType_INT8 || type == tflite::TensorType_UINT8;
  }
  bool is_float() const { return type == tflite::TensorType_FLOAT32; }
  /// Of int8, uint8, int32 and int64 constants.
  int64_t integer(int64_t index) const;
};

struct TfliteOperator {
  std::string op;    ///< "CONV_2D", ...
  std::string name;  ///< The first output's.
  int code = 0;
  std::vector<int64_t> inputs;  ///< Tensors; -1: left out.
  std::vector<int64_t> outputs;
  const tflite::Operator* table = nullptr;
};

/// The one subgraph of a file. `bytes` must outlive it.
struct TfliteGraph {
  std::string name;
  std::vector<TfliteTensor> tensors;
  std::vector<TfliteOperator> operators;
  std::vector<int64_t> inputs;
  std::vector<int64_t> outputs;
  size_t bytes = 0;  ///< Of the file.
};

/// Whether the bytes say of themselves that they are a TensorFlow Lite file.
bool is_tflite(const std::string& bytes);

/// Throws Error where the buffer is broken or holds more than one subgraph.
TfliteGraph read_tflite_graph(const std::string& bytes);

/// "INT8", ...; a number for types that the format does not have.
std::string type_name(tflite::TensorType type);
/// "CONV_2D", ...; "operator 300" for codes that the format does not have.
std::string operator_name(int code);

}  // namespace flatenn::interop
