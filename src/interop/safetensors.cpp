#include "flatenn/interop/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "flatenn/base/error.h"

namespace flatenn::interop {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian");

template <typename T>
StoredTensor stored(std::string name, TensorType type, std::vector<int64_t> shape,
                    const std::vector<T>& values) {
  StoredTensor tensor{.name = std::move(name), .type = type, .shape = std::move(shape)};
  tensor.bytes.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  return tensor;
}

template <typename T, typename To>
std::vector<To> converted(const std::string& bytes) {
  std::vector<To> result(bytes.size() / sizeof(T));
  for (size_t i = 0; i < result.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    result[i] = static_cast<To>(value);
  }
  return result;
}

/// IEEE 754 binary16.
float half_value(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000U) << 16U;
  const uint32_t exponent = (bits >> 10U) & 31U;
  const uint32_t fraction = bits & 1023U;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t wide = exponent == 31 ? 255U : exponent + 112U;
  return std::bit_cast<float>(sign | (wide << 23U) | (fraction << 13U));
}

std::vector<float> widened(const std::string& bytes, bool brain) {
  const auto halves = converted<uint16_t, uint16_t>(bytes);
  std::vector<float> result;
  result.reserve(halves.size());
  for (const uint16_t bits : halves) {
    result.push_back(brain ? std::bit_cast<float>(static_cast<uint32_t>(bits) << 16U)
                           : half_value(bits));
  }
  return result;
}

struct TypeRow {
  TensorType type;
  const char* name;
  int64_t bytes;
};
constexpr std::array<TypeRow, 13> kTypes{{{TensorType::kBool, "BOOL", 1},
                                          {TensorType::kU8, "U8", 1},
                                          {TensorType::kI8, "I8", 1},
                                          {TensorType::kU16, "U16", 2},
                                          {TensorType::kI16, "I16", 2},
                                          {TensorType::kF16, "F16", 2},
                                          {TensorType::kBF16, "BF16", 2},
                                          {TensorType::kU32, "U32", 4},
                                          {TensorType::kI32, "I32", 4},
                                          {TensorType::kF32, "F32", 4},
                                          {TensorType::kU64, "U64", 8},
                                          {TensorType::kI64, "I64", 8},
                                          {TensorType::kF64, "F64", 8}}};

const TypeRow& row(TensorType type) {
  return *std::find_if(kTypes.begin(), kTypes.end(),
                       [&](const TypeRow& one) { return one.type == type; });
}

[[noreturn]] void wrong_type(const StoredTensor& tensor, const char* expected) {
  throw Error(detail::concat("tensor ", tensor.name, ": expected ", expected, ", got ",
                             type_name(tensor.type)));
}

}  // namespace

const char* type_name(TensorType type) { return row(type).name; }
int64_t type_bytes(TensorType type) { return row(type).bytes; }

int64_t StoredTensor::elements() const {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}

std::vector<float> StoredTensor::floats() const {
  switch (type) {
    case TensorType::kF32:
      return converted<float, float>(bytes);
    case TensorType::kF64:
      return converted<double, float>(bytes);
    case TensorType::kF16:
      return widened(bytes, /*brain=*/false);
    case TensorType::kBF16:
      return widened(bytes, /*brain=*/true);
    default:
      wrong_type(*this, "F16, BF16, F32 or F64");
  }
}

std::vector<int64_t> StoredTensor::integers() const {
  switch (type) {
    case TensorType::kBool:
    case TensorType::kU8:
      return converted<uint8_t, int64_t>(bytes);
    case TensorType::kI8:
      return converted<int8_t, int64_t>(bytes);
    case TensorType::kU16:
      return converted<uint16_t, int64_t>(bytes);
    case TensorType::kI16:
      return converted<int16_t, int64_t>(bytes);
    case TensorType::kU32:
      return converted<uint32_t, int64_t>(bytes);
    case TensorType::kI32:
      return converted<int32_t, int64_t>(bytes);
    case TensorType::kI64:
      return converted<int64_t, int64_t>(bytes);
    case TensorType::kU64: {
      const auto values = converted<uint64_t, int64_t>(bytes);
      FLATENN_CHECK(std::all_of(values.begin(), values.end(), [](int64_t v) { return v >= 0; }),
                    "tensor ", name, ": holds a number beyond 2^63 - 1");
      return values;
    }
    default:
      wrong_type(*this, "integers");
  }
}

StoredTensor stored_floats(std::string name, std::vector<int64_t> shape,
                           const std::vector<float>& values) {
  return stored(std::move(name), TensorType::kF32, std::move(shape), values);
}

StoredTensor stored_codes(std::string name, std::vector<int64_t> shape,
                          const std::vector<int8_t>& values) {
  return stored(std::move(name), TensorType::kI8, std::move(shape), values);
}

StoredTensor stored_integers(std::string name, std::vector<int64_t> shape,
                             const std::vector<int32_t>& values) {
  return stored(std::move(name), TensorType::kI32, std::move(shape), values);
}

const StoredTensor* TensorFile::find(std::string_view name) const {
  for (const StoredTensor& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

}  // namespace flatenn::interop
