#include "interop/onnx_tensor.h"

#include <bit>
#include <cstring>

#include "flatenn/base/error.h"

namespace flatenn::interop {
namespace {

static_assert(std::endian::native == std::endian::little, "ONNX stores raw data little-endian");

template <typename T>
onnx::TensorProto raw_tensor(const std::string& name, onnx::TensorProto::DataType type,
                             const std::vector<T>& values, const std::vector<int64_t>& dims) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(type);
  for (const int64_t dim : dims) tensor.add_dims(dim);
  tensor.set_raw_data(values.data(), values.size() * sizeof(T));
  return tensor;
}

void check_size(const onnx::TensorProto& tensor, int64_t got) {
  FLATENN_CHECK(got == element_count(tensor), "tensor ", tensor.name(), ": expected ",
                element_count(tensor), " elements, got ", got);
}

template <typename T>
std::vector<T> raw_values(const onnx::TensorProto& tensor) {
  const std::string& raw = tensor.raw_data();
  check_size(tensor, static_cast<int64_t>(raw.size() / sizeof(T)));
  FLATENN_CHECK(raw.size() % sizeof(T) == 0, "tensor ", tensor.name(), ": ", raw.size(),
                " bytes are no whole number of elements");
  std::vector<T> values(raw.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), raw.data(), raw.size());
  return values;
}

/// Smaller types stand in fields of 32 bits.
template <typename T, typename From>
T narrowed(const onnx::TensorProto& tensor, From value) {
  const T result = static_cast<T>(value);
  FLATENN_CHECK(static_cast<From>(result) == value || value != value, "tensor ", tensor.name(),
                ": holds ", value, ", which its type ", type_name(tensor), " does not");
  return result;
}

template <typename T, typename Field>
std::vector<T> values_of(const onnx::TensorProto& tensor, const Field& field) {
  FLATENN_CHECK(tensor.data_location() != onnx::TensorProto::EXTERNAL, "tensor ", tensor.name(),
                ": data in another file are not supported");
  if (tensor.has_raw_data()) return raw_values<T>(tensor);
  check_size(tensor, field.size());
  std::vector<T> values;
  values.reserve(static_cast<size_t>(field.size()));
  for (const auto value : field) values.push_back(narrowed<T>(tensor, value));
  return values;
}

template <typename T, typename Field>
std::vector<int64_t> widened(const onnx::TensorProto& tensor, const Field& field) {
  const std::vector<T> values = values_of<T>(tensor, field);
  return {values.begin(), values.end()};
}

/// Two codes a byte, the first in the low half.
std::vector<int64_t> nibbles(const onnx::TensorProto& tensor) {
  const int64_t count = element_count(tensor);
  std::string raw = tensor.raw_data();
  if (!tensor.has_raw_data()) {
    for (const int32_t byte : tensor.int32_data()) {
      raw.push_back(static_cast<char>(narrowed<uint8_t>(tensor, byte)));
    }
  }
  FLATENN_CHECK(static_cast<int64_t>(raw.size()) == (count + 1) / 2, "tensor ", tensor.name(),
                ": expected ", (count + 1) / 2, " bytes, got ", raw.size());
  std::vector<int64_t> values;
  for (int64_t i = 0; i < count; ++i) {
    const auto byte = static_cast<uint8_t>(raw[static_cast<size_t>(i / 2)]);
    const int64_t code = i % 2 == 0 ? byte & 15 : byte >> 4;
    values.push_back(tensor.data_type() == kInt4 && code > 7 ? code - 16 : code);
  }
  return values;
}

std::string packed_nibbles(const std::vector<int8_t>& codes) {
  std::string raw((codes.size() + 1) / 2, '\0');
  for (size_t i = 0; i < codes.size(); ++i) {
    const int nibble = codes[i] & 15;
    raw[i / 2] = static_cast<char>(raw[i / 2] | (i % 2 == 0 ? nibble : nibble << 4));
  }
  return raw;
}

}  // namespace

onnx::TensorProto scalar_tensor(const std::string& name, float value) {
  return raw_tensor<float>(name, onnx::TensorProto::FLOAT, {value}, {});
}

onnx::TensorProto float_tensor(const std::string& name, const std::vector<float>& values) {
  return raw_tensor(name, onnx::TensorProto::FLOAT, values, {static_cast<int64_t>(values.size())});
}

onnx::TensorProto float_tensor(const std::string& name, const std::vector<float>& values,
                               const std::vector<int64_t>& dims) {
  return raw_tensor(name, onnx::TensorProto::FLOAT, values, dims);
}

onnx::TensorProto int32_tensor(const std::string& name, const std::vector<int32_t>& values) {
  return raw_tensor(name, onnx::TensorProto::INT32, values, {static_cast<int64_t>(values.size())});
}

onnx::TensorProto int64_tensor(const std::string& name, const std::vector<int64_t>& values) {
  return raw_tensor(name, onnx::TensorProto::INT64, values, {static_cast<int64_t>(values.size())});
}

onnx::TensorProto code_tensor(const std::string& name, const std::vector<int8_t>& codes,
                              const std::vector<int64_t>& dims, const CodeType& type) {
  if (type.bits == 8) {
    return raw_tensor(name, type.is_signed ? onnx::TensorProto::INT8 : onnx::TensorProto::UINT8,
                      codes, dims);
  }
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(type.is_signed ? kInt4 : kUint4);
  for (const int64_t dim : dims) tensor.add_dims(dim);
  tensor.set_raw_data(packed_nibbles(codes));
  return tensor;
}

onnx::TensorProto code_scalar(const std::string& name, int code, const CodeType& type) {
  return code_tensor(name, {static_cast<int8_t>(code)}, {}, type);
}

std::string type_name(const onnx::TensorProto& tensor) {
  return onnx::TensorProto::DataType_IsValid(tensor.data_type())
             ? onnx::TensorProto::DataType_Name(
                   static_cast<onnx::TensorProto::DataType>(tensor.data_type()))
             : std::to_string(tensor.data_type());
}

int64_t element_count(const onnx::TensorProto& tensor) {
  int64_t count = 1;
  for (const int64_t dim : tensor.dims()) {
    FLATENN_CHECK(dim >= 0 && (dim == 0 || count <= (int64_t{1} << 40) / dim), "tensor ",
                  tensor.name(), ": dimension ", dim, " makes no sense");
    count *= dim;
  }
  return count;
}

std::vector<int64_t> dims_of(const onnx::TensorProto& tensor) {
  return {tensor.dims().begin(), tensor.dims().end()};
}

std::vector<float> floats_of(const onnx::TensorProto& tensor) {
  if (tensor.data_type() == onnx::TensorProto::DOUBLE) {
    const std::vector<double> wide = values_of<double>(tensor, tensor.double_data());
    return {wide.begin(), wide.end()};
  }
  FLATENN_CHECK(tensor.data_type() == onnx::TensorProto::FLOAT, "tensor ", tensor.name(),
                ": expected FLOAT, got ", type_name(tensor));
  return values_of<float>(tensor, tensor.float_data());
}

std::vector<int64_t> integers_of(const onnx::TensorProto& tensor) {
  switch (tensor.data_type()) {
    case onnx::TensorProto::INT8:
      return widened<int8_t>(tensor, tensor.int32_data());
    case onnx::TensorProto::UINT8:
      return widened<uint8_t>(tensor, tensor.int32_data());
    case onnx::TensorProto::INT32:
      return widened<int32_t>(tensor, tensor.int32_data());
    case onnx::TensorProto::INT64:
      return widened<int64_t>(tensor, tensor.int64_data());
    case kUint4:
    case kInt4:
      return nibbles(tensor);
    case onnx::TensorProto::BOOL:
      return widened<uint8_t>(tensor, tensor.int32_data());
    default:
      throw Error(detail::concat("tensor ", tensor.name(),
                                 ": expected INT8, UINT8, INT32 or INT64, got ",
                                 type_name(tensor)));
  }
}

}  // namespace flatenn::interop
