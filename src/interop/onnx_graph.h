#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

/// Access to an ONNX graph by name, with errors that say which node they are about.
namespace flatenn::interop {

/// "node conv1 (Conv)"; nodes without a name are called by their first output.
std::string describe(const onnx::NodeProto& node);

/// Throws Error "node NAME (OP): message".
[[noreturn]] void fail_at(const onnx::NodeProto& node, const std::string& message);

/// As above, for an output that something else has written.
[[noreturn]] void fail_exists(const onnx::NodeProto& node, const std::string& output);

/// Throws Error where a node has more inputs or outputs.
void expect_io(const onnx::NodeProto& node, int most_inputs, int most_outputs = 1);

/// Reads a node's attributes; finish() then refuses those that were not asked for.
class Attributes {
 public:
  explicit Attributes(const onnx::NodeProto& node);
  bool has(const std::string& name) const { return unread_.contains(name); }
  int64_t get_int(const std::string& name, int64_t fallback);
  /// 0 or 1.
  bool get_flag(const std::string& name, bool fallback);
  float get_float(const std::string& name, float fallback);
  std::string get_string(const std::string& name, const std::string& fallback);
  std::vector<int64_t> get_ints(const std::string& name, std::vector<int64_t> fallback);
  void ignore(const std::string& name);
  void finish() const;

 private:
  const onnx::AttributeProto* find(const std::string& name,
                                   onnx::AttributeProto::AttributeType type);
  const onnx::NodeProto& node_;
  std::map<std::string, const onnx::AttributeProto*> unread_;
};

/// QONNX's rounding modes.
enum class Rounding {
  kHalfEven,  ///< ROUND, HALF_EVEN
  kCeil,
  kFloor,
  kUp,        ///< Away from zero.
  kDown,      ///< Towards zero.
  kHalfUp,    ///< To the nearest, ties away from zero.
  kHalfDown,  ///< To the nearest, ties towards zero.
};
/// The whole number that a mode makes of x, in float32.
float rounded(float x, Rounding mode);

/// As QONNX spells it.
const char* rounding_name(Rounding mode);

/// What the attributes of QONNX's Quant and Trunc say of their codes.
struct QuantSettings {
  bool is_signed = true;
  bool narrow = false;
  Rounding rounding = Rounding::kHalfEven;
};
/// `rounding`: the mode of nodes that name none.
QuantSettings quant_settings(const onnx::NodeProto& node, const std::string& rounding = "ROUND");

/// Input `index` of a node, or "" where it is left out.
std::string input_or_none(const onnx::NodeProto& node, int index);
/// As above; throws Error where it is left out.
std::string required_input(const onnx::NodeProto& node, int index);

}  // namespace flatenn::interop
