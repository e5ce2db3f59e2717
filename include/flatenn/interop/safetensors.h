#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// The safetensors format: named tensors without code (github.com/huggingface/safetensors,
/// "Format").
namespace flatenn::interop {

enum class TensorType {
  kBool,
  kU8,
  kI8,
  kU16,
  kI16,
  kF16,
  kBF16,
  kU32,
  kI32,
  kF32,
  kU64,
  kI64,
  kF64
};
/// As files spell it: "F32".
const char* type_name(TensorType type);
int64_t type_bytes(TensorType type);

/// One tensor of a file, row-major and little-endian.
struct StoredTensor {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape = {};
  std::string bytes = {};

  int64_t elements() const;
  /// Of F16, BF16, F32 and F64; throws Error naming the tensor for other types.
  std::vector<float> floats() const;
  /// Of BOOL and the integer types; throws Error naming the tensor for others, and for U64 beyond
  /// int64.
  std::vector<int64_t> integers() const;
};

StoredTensor stored_floats(std::string name, std::vector<int64_t> shape,
                           const std::vector<float>& values);
StoredTensor stored_codes(std::string name, std::vector<int64_t> shape,
                          const std::vector<int8_t>& values);
StoredTensor stored_integers(std::string name, std::vector<int64_t> shape,
                             const std::vector<int32_t>& values);

struct TensorFile {
  std::map<std::string, std::string> metadata = {};  ///< "__metadata__".
  std::vector<StoredTensor> tensors = {};            ///< By name when read.

  const StoredTensor* find(std::string_view name) const;
};

/// Throws Error in one line naming the file, and the tensor at fault: a header that is cut, longer
/// than the file or no JSON, a name used twice, an unknown type, a shape that does not fit its
/// bytes, bytes that overlap, leave a hole or end before the file does. Memory is bounded by twice
/// the file's size. Pickles (.pt) and HDF5 are refused with the command that converts them.
TensorFile read_safetensors(const std::filesystem::path& path);

/// The write is atomic; equal tensors give equal bytes, whatever their order. Throws Error for
/// names used twice and for shapes that do not fit.
void write_safetensors(const TensorFile& file, const std::filesystem::path& path);

}  // namespace flatenn::interop
