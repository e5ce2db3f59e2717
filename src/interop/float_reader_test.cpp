#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>

#include "flatenn/base/error.h"
#include "flatenn/interop/float_graph.h"

namespace flatenn::interop {
namespace {

const std::string kModel = std::string(FLATENN_CALIBRATION_CASES) + "/models/squeeze.onnx";

onnx::NodeProto& node_of(onnx::GraphProto& graph, const std::string& op) {
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    if (node.op_type() == op) return node;
  }
  throw std::logic_error("no " + op);
}

onnx::TensorProto& weights(onnx::GraphProto& graph) {
  for (onnx::TensorProto& tensor : *graph.mutable_initializer()) {
    if (tensor.name() == node_of(graph, "Conv").input(1)) return tensor;
  }
  throw std::logic_error("no weights");
}

void set_ints(onnx::NodeProto& node, const std::string& name, std::vector<int64_t> values) {
  for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
    if (attribute.name() != name) continue;
    attribute.mutable_ints()->Assign(values.begin(), values.end());
  }
}

struct Change {
  std::string name;
  std::function<void(onnx::GraphProto&)> apply;
  std::string message;  ///< A part of it.
};

const std::vector<Change>& changes() {
  static const std::vector<Change> kChanges = {
      {"operator", [](auto& g) { node_of(g, "Tanh").set_op_type("LSTM"); },
       "(LSTM): operator is not supported in a float network"},
      {"domain", [](auto& g) { node_of(g, "Tanh").set_domain("custom"); }, "domain custom"},
      {"quantized", [](auto& g) { node_of(g, "Tanh").set_op_type("QuantizeLinear"); },
       "is quantized already: import it without --calibrate"},
      {"nan",
       [](auto& g) {
         const float bad = NAN;
         weights(g).mutable_raw_data()->replace(4, 4, reinterpret_cast<const char*>(&bad), 4);
       },
       "(Conv): element 1 of conv1.weight is nan"},
      {"short", [](auto& g) { weights(g).mutable_raw_data()->resize(8); }, "conv1.weight"},
      {"dims", [](auto& g) { weights(g).set_dims(0, int64_t{1} << 40); }, "conv1.weight"},
      {"pads",
       [](auto& g) {
         set_ints(node_of(g, "Conv"), "pads", {-1, 1, 1, 1});
       },
       "(Conv): attribute pads holds -1"},
      {"huge",
       [](auto& g) {
         set_ints(node_of(g, "Conv"), "pads", {9999, 9999, 9999, 9999});
       },
       "values of one image, expected at most"},
      {"unknown", [](auto& g) { node_of(g, "Tanh").set_input(0, "nowhere"); },
       "reads nowhere, which nothing before it computed"},
      {"cycle", [](auto& g) { node_of(g, "Tanh").set_input(0, node_of(g, "Softmax").output(0)); },
       "which nothing before it computed"},
      {"twice", [](auto& g) { node_of(g, "Tanh").set_output(0, node_of(g, "Conv").output(0)); },
       "which exists already"},
      {"image",
       [](auto& g) {
         auto* shape = g.mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
         shape->mutable_dim(2)->set_dim_param("height");
       },
       "with known extents"},
      {"inputs",
       [](auto& g) {
         *g.add_input() = g.input(0);
         g.mutable_input(1)->set_name("b");
       },
       "has inputs image and b, expected one"},
      {"outputs", [](auto& g) { *g.add_output() = g.output(0); }, "expected one output"},
      {"attribute",
       [](auto& g) {
         auto* attribute = node_of(g, "LeakyRelu").add_attribute();
         attribute->set_name("beta");
         attribute->set_type(onnx::AttributeProto::FLOAT);
       },
       "attribute beta is not supported"}};
  return kChanges;
}

class FloatReaderChanges : public ::testing::TestWithParam<Change> {};

TEST_P(FloatReaderChanges, AreErrorsOfOneLineThatNameTheirPlace) {
  onnx::ModelProto model;
  std::ifstream file(kModel, std::ios::binary);
  ASSERT_TRUE(model.ParseFromIstream(&file));
  GetParam().apply(*model.mutable_graph());
  const auto path = std::filesystem::temp_directory_path() / ("float_" + GetParam().name + ".onnx");
  std::ofstream(path, std::ios::binary) << model.SerializeAsString();
  try {
    read_float_onnx(path);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::StartsWith(path.string() + ": "));
    EXPECT_THAT(error.what(), ::testing::HasSubstr(GetParam().message));
    EXPECT_THAT(error.what(), ::testing::Not(::testing::HasSubstr("\n")));
  }
  std::filesystem::remove(path);
}

INSTANTIATE_TEST_SUITE_P(Files, FloatReaderChanges, ::testing::ValuesIn(changes()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace flatenn::interop
