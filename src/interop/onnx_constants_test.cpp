#include "interop/onnx_constants.h"

#include <gtest/gtest.h>

#include "base/temporary_folder.h"
#include "flatenn/base/file.h"

/// Weights of megabytes: whatever way they take to a layer, each code stays one byte.
namespace flatenn::interop {
namespace {

using Graph = onnx::GraphProto;
using Node = onnx::NodeProto;

const std::vector<int64_t> kCodes = {1, -2, 3, -4, 5, -6};

onnx::TensorProto& add(Graph& graph, onnx::TensorProto tensor, const std::string& name) {
  onnx::TensorProto& stored = *graph.add_initializer();
  stored = std::move(tensor);
  stored.set_name(name);
  return stored;
}

/// Two rows of three.
onnx::TensorProto codes_of(const CodeType& type) {
  return code_tensor("w", {kCodes.begin(), kCodes.end()}, {2, 3}, type);
}

onnx::TensorProto in_wide_fields(const std::vector<int32_t>& values) {
  onnx::TensorProto tensor;
  tensor.set_data_type(onnx::TensorProto::INT8);
  tensor.add_dims(2);
  tensor.add_dims(3);
  for (const int32_t value : values) tensor.add_int32_data(value);
  return tensor;
}

onnx::TensorProto beside(const TemporaryFolder& folder) {
  onnx::TensorProto tensor = codes_of({.bits = 8, .is_signed = true});
  write_file_atomically(folder / "w.bin", tensor.raw_data());
  tensor.clear_raw_data();
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  auto& location = *tensor.add_external_data();
  location.set_key("location");
  location.set_value("w.bin");
  return tensor;
}

Node node(const std::string& op, const std::vector<std::string>& inputs,
          const std::string& output) {
  Node result;
  result.set_op_type(op);
  result.set_name(output);
  for (const std::string& input : inputs) result.add_input(input);
  result.add_output(output);
  return result;
}

class HeldCodes : public ::testing::Test {
 protected:
  /// What `nodes` make of the tensor w is held as bytes, and they stand for `values`.
  void expect_bytes(onnx::TensorProto w, const std::vector<Node>& nodes,
                    const std::vector<int64_t>& values = kCodes) {
    Graph graph = graph_;
    add(graph, std::move(w), "w");
    Constants constants(graph, folder_.path(),
                        [](const std::string&) { return std::vector<int64_t>{}; });
    std::string last = "w";
    for (const Node& one : nodes) {
      ASSERT_TRUE(constants.absorb(one)) << one.name();
      last = one.output(0);
    }
    const Constant c = constants.codes(node("Reader", {last}, "out"), last);
    EXPECT_TRUE(c.integers.empty() && c.floats.empty());
    EXPECT_LE(c.bytes.size(), values.size());
    ASSERT_EQ(c.elements(), std::ssize(values));
    for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(c.integer(i), values[i]) << i;
  }

  HeldCodes() {
    add(graph_, scalar_tensor("", 0.5F), "scale");
    add(graph_, code_scalar("", 0, {.bits = 8, .is_signed = true}), "zero");
    add(graph_, scalar_tensor("", 0.0F), "zero_real");
    add(graph_, scalar_tensor("", 8.0F), "bits");
    add(graph_, int64_tensor("", {3, 2}), "shape");
  }

  const TemporaryFolder folder_;
  Graph graph_;
};

constexpr CodeType kSigned{.bits = 8, .is_signed = true};

TEST_F(HeldCodes, OfTheFile) {
  expect_bytes(codes_of(kSigned), {});
  expect_bytes(in_wide_fields({1, -2, 3, -4, 5, -6}), {});
}

TEST_F(HeldCodes, OfAnotherFile) { expect_bytes(beside(folder_), {}); }

TEST_F(HeldCodes, OfFourBits) { expect_bytes(codes_of({.bits = 4, .is_signed = true}), {}); }

TEST_F(HeldCodes, BehindNodes) {
  const Node identity = node("Identity", {"w"}, "same");
  const Node dequantize = node("DequantizeLinear", {"same", "scale", "zero"}, "real");
  for (onnx::TensorProto w : {codes_of(kSigned), beside(folder_)}) {
    expect_bytes(w, {identity, dequantize});
    expect_bytes(w, {node("Reshape", {"w", "shape"}, "tall")});
    expect_bytes(w, {node("Transpose", {"w"}, "turned")}, {1, -4, -2, 5, 3, -6});
  }
  const CodeType nibbles{.bits = 4, .is_signed = true};
  expect_bytes(codes_of(nibbles), {node("Transpose", {"w"}, "turned")}, {1, -4, -2, 5, 3, -6});
}

TEST_F(HeldCodes, OfFloatWeightsThatTheFileQuantizes) {
  const onnx::TensorProto real = float_tensor("", {0.5F, -1, 1.5F, -2, 2.5F, -3}, {2, 3});
  expect_bytes(real, {node("QuantizeLinear", {"w", "scale", "zero"}, "codes")});
  Node quant = node("Quant", {"w", "scale", "zero_real", "bits"}, "codes");
  quant.set_domain("qonnx.custom_op.general");
  for (const char* name : {"signed", "narrow"}) {
    onnx::AttributeProto& flag = *quant.add_attribute();
    flag.set_name(name);
    flag.set_type(onnx::AttributeProto::INT);
    flag.set_i(1);
  }
  expect_bytes(real, {quant});
}

}  // namespace
}  // namespace flatenn::interop
