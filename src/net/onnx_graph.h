#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

/// Access to an ONNX graph by name, with errors that say which node they are about.
namespace flatenn::net {

/// "node conv1 (Conv)"; nodes without a name are called by their first output.
std::string describe(const onnx::NodeProto& node);

/// Throws Error "node NAME (OP): message".
[[noreturn]] void fail_at(const onnx::NodeProto& node, const std::string& message);

/// Reads a node's attributes; finish() then refuses those that were not asked for.
class Attributes {
 public:
  explicit Attributes(const onnx::NodeProto& node);
  int64_t get_int(const std::string& name, int64_t fallback);
  float get_float(const std::string& name, float fallback);
  std::string get_string(const std::string& name, const std::string& fallback);
  std::vector<int64_t> get_ints(const std::string& name, std::vector<int64_t> fallback);
  /// The common value of a list of `size`; throws Error where its elements differ.
  int64_t get_uniform(const std::string& name, size_t size, int64_t fallback);
  void ignore(const std::string& name);
  void finish() const;

 private:
  const onnx::AttributeProto* find(const std::string& name,
                                   onnx::AttributeProto::AttributeType type);
  const onnx::NodeProto& node_;
  std::map<std::string, const onnx::AttributeProto*> unread_;
};

/// Input `index` of a node, or "" where it is left out.
std::string input_or_none(const onnx::NodeProto& node, int index);
/// As above; throws Error where it is left out.
std::string required_input(const onnx::NodeProto& node, int index);

}  // namespace flatenn::net
