#pragma once

#include <onnx/onnx_pb.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "interop/onnx_graph.h"
#include "interop/onnx_tensor.h"
#include "interop/read_budget.h"

namespace flatenn::interop {

/// A constant tensor, as stored or as constant nodes make it. Behind DequantizeLinear it keeps its
/// integers, with the scales and zero points that make them real.
struct Constant {
  std::vector<int64_t> dims;
  bool is_float = false;
  int type = 0;               ///< onnx::TensorProto::DataType.
  std::vector<float> floats;  ///< Where is_float.
  std::vector<int64_t> integers;
  const onnx::TensorProto* stored = nullptr;  ///< Values not read yet.
  /// Codes of at most 8 bits that are not read yet, a byte each: weights are large, so kept so
  /// where they may.
  std::string_view bytes = {};
  bool packed = false;  ///< Bytes hold two codes each, the first in the low half.
  std::shared_ptr<const std::string> owner = {};  ///< Of bytes that the model does not hold.

  std::vector<float> scales;         ///< Not empty behind DequantizeLinear; one, or one a slice.
  std::vector<int64_t> zero_points;  ///< As scales.
  int64_t axis = 0;                  ///< Of scales and zero points where there are several.
  int64_t low = 0;                   ///< What the type and Clip allow.
  int64_t high = 0;
  bool odd = false;  ///< BipolarQuant: integers k stand for 2k + 1.

  bool dequantized() const { return !scales.empty(); }
  int64_t elements() const;
  /// Integer `i`, read or not, within low and high.
  int64_t integer(size_t i) const { return bytes.empty() ? integers[i] : integer_of_word(word(i)); }
  /// The byte of code `i`, for types of at most 8 bits; of 4 bits in the low half.
  uint8_t word(size_t i) const {
    if (bytes.empty()) return static_cast<uint8_t>(integers[i]);
    const auto byte = static_cast<uint8_t>(bytes[packed ? i / 2 : i]);
    if (!packed) return byte;
    return i % 2 == 0 ? byte & 15 : byte >> 4;
  }
  /// What a byte that word() gives stands for, within low and high.
  int64_t integer_of_word(uint8_t word) const;
  /// Whether the type is one of codes of at most 8 bits.
  bool is_narrow() const;
  /// Integers of the constant's type, `code(i)` one after another; bytes where it is narrow.
  template <typename Code>
  void fill(size_t count, const Code& code);
};

/// The constants of a graph: initializers and all that nodes make of constants alone.
class Constants {
 public:
  /// Extents of a tensor that is no constant, batch first; empty where unknown.
  using Extents = std::function<std::vector<int64_t>(const std::string&)>;

  /// `folder`: where data outside the file may lie.
  Constants(const onnx::GraphProto& graph, std::filesystem::path folder, Extents extents);
  /// Weight scales may be below zero, as those of our own files that hold batch norm's factor.
  void allow_negative_scales() { negative_scales_ = true; }

  /// Counts values that are made of constants; throws Error naming the node where there are too
  /// many for the file's size.
  void spend(const onnx::NodeProto& node, int64_t values) const;

  /// Takes the node where all it reads is constant; false where something is not. Throws Error
  /// where the operator cannot be computed.
  bool absorb(const onnx::NodeProto& node);

  const Constant* find(const std::string& name) const;
  /// As find, with values that integer() gives, as bytes where the type has at most 8 bits; throws
  /// Error naming the node where it is none.
  Constant codes(const onnx::NodeProto& node, const std::string& name) const;
  /// With its values read.
  Constant read(const onnx::NodeProto& node, const std::string& name) const;

  /// FLOAT, or codes behind DequantizeLinear. As all below: throws Error naming the node where the
  /// constant has another type or shape.
  std::vector<float> floats(const onnx::NodeProto& node, const std::string& name) const;
  std::vector<int64_t> integers(const onnx::NodeProto& node, const std::string& name) const;
  /// One number or a list of them.
  std::vector<float> float_list(const onnx::NodeProto& node, const std::string& name) const;
  /// A list of INT64.
  std::vector<int64_t> index_list(const onnx::NodeProto& node, const std::string& name) const;
  /// One float.
  float scalar(const onnx::NodeProto& node, const std::string& name) const;

 private:
  Constant fold(const onnx::NodeProto& node) const;
  Constant quantized(const onnx::NodeProto& node) const;
  Constant dequantized(const onnx::NodeProto& node) const;
  Constant clipped(const onnx::NodeProto& node) const;
  Constant quant(const onnx::NodeProto& node) const;
  std::vector<int64_t> zero_points_of_quant(const onnx::NodeProto& node, const Constant& scale,
                                            size_t scales) const;
  Constant bipolar(const onnx::NodeProto& node) const;
  Constant arithmetic(const onnx::NodeProto& node) const;
  Constant gathered(const onnx::NodeProto& node) const;
  Constant sliced(const onnx::NodeProto& node) const;
  Constant concatenated(const onnx::NodeProto& node) const;
  Constant reshaped(const onnx::NodeProto& node) const;
  Constant transposed(const onnx::NodeProto& node) const;
  Constant cast(const onnx::NodeProto& node) const;
  Constant shape_of(const onnx::NodeProto& node) const;
  std::vector<int64_t> squeezed(const onnx::NodeProto& node, const Constant& c) const;
  std::vector<int64_t> requested(const onnx::NodeProto& node, const Constant& c) const;
  void check_scales(const onnx::NodeProto& node, const std::vector<float>& scales) const;
  void load(Constant& c) const;
  std::string external_bytes(const onnx::TensorProto& tensor) const;

  std::filesystem::path folder_;
  Extents extents_;
  bool negative_scales_ = false;
  std::map<std::string, Constant> values_;
  struct Use {
    ReadBudget budget;
    std::set<const onnx::TensorProto*> outside;  ///< Whose data count as the file's.
  };
  std::unique_ptr<Use> use_;
};

template <typename Code>
void Constant::fill(size_t count, const Code& code) {
  integers.clear();
  if (!is_narrow()) {
    integers.reserve(count);
    for (size_t i = 0; i < count; ++i) integers.push_back(code(i));
    return;
  }
  auto made = std::make_shared<std::string>(count, '\0');
  for (size_t i = 0; i < count; ++i) (*made)[i] = static_cast<char>(code(i));
  packed = false;
  owner = made;
  bytes = *made;
}

/// Of an ONNX data type; throws Error naming the node for those that hold no codes.
CodeType code_type(const onnx::NodeProto& node, int type);

/// Round half to even of value / scale, plus zero, clamped.
int64_t quantize_value(float value, float scale, int64_t zero, int64_t low, int64_t high);
/// As QONNX's Quant: value / scale + zero, rounded, clamped.
int64_t quant_value(float value, float scale, int64_t zero, int64_t low, int64_t high,
                    Rounding rounding);
/// A whole number in one element of a constant; throws Error naming the node and `what` otherwise.
int64_t whole_number(const onnx::NodeProto& node, const char* what, float value);
/// `axis` counted from the front; throws Error where it is outside `rank` dimensions.
int64_t normal_axis(const onnx::NodeProto& node, int64_t axis, size_t rank);
/// Sorted axes of Squeeze or Unsqueeze; throws Error where one is outside or stands twice.
std::vector<int64_t> normal_axes(const onnx::NodeProto& node, std::vector<int64_t> axes,
                                 size_t rank);

}  // namespace flatenn::interop
