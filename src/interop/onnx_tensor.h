#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>
#include <vector>

/// Values of ONNX tensors, as the reader and writer of networks need them.
namespace flatenn::interop {

/// ONNX's 4-bit types of opset 21; older headers do not name them.
constexpr int kUint4 = 21;
constexpr int kInt4 = 22;

/// The codes that an integer type holds.
struct CodeType {
  int bits = 8;  ///< 8 or 4.
  bool is_signed = false;
};

onnx::TensorProto scalar_tensor(const std::string& name, float value);
onnx::TensorProto float_tensor(const std::string& name, const std::vector<float>& values);
onnx::TensorProto float_tensor(const std::string& name, const std::vector<float>& values,
                               const std::vector<int64_t>& dims);
onnx::TensorProto int32_tensor(const std::string& name, const std::vector<int32_t>& values);
onnx::TensorProto int64_tensor(const std::string& name, const std::vector<int64_t>& values);
/// Codes of type INT8, UINT8, INT4 or UINT4; those of unsigned types as the same bytes.
onnx::TensorProto code_tensor(const std::string& name, const std::vector<int8_t>& codes,
                              const std::vector<int64_t>& dims, const CodeType& type);
onnx::TensorProto code_scalar(const std::string& name, int code, const CodeType& type);

/// Type by name for messages: "FLOAT16".
std::string type_name(const onnx::TensorProto& tensor);
int64_t element_count(const onnx::TensorProto& tensor);
std::vector<int64_t> dims_of(const onnx::TensorProto& tensor);
/// Throws Error naming the tensor where it is not FLOAT or its data are incomplete or elsewhere.
std::vector<float> floats_of(const onnx::TensorProto& tensor);
/// Values of INT8, UINT8, INT32 or INT64; throws Error as floats_of.
std::vector<int64_t> integers_of(const onnx::TensorProto& tensor);

}  // namespace flatenn::interop
