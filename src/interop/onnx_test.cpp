#include "flatenn/interop/onnx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <functional>
#include <map>
#include <set>

#include "base/temporary_folder.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/net/content_hash.h"
#include "interop/net_names.h"
#include "net/testing.h"

namespace flatenn::interop {
namespace {

using ::testing::HasSubstr;

void expect_equal(const Network& got, const Network& expected) {
  EXPECT_EQ(got.name, expected.name);
  ASSERT_EQ(got.activations.size(), expected.activations.size());
  for (size_t i = 0; i < got.activations.size(); ++i) {
    const Activation& a = got.activations[i];
    const Activation& b = expected.activations[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.shape, b.shape) << a.name;
    EXPECT_EQ(a.is_float, b.is_float) << a.name;
    if (a.is_float) continue;
    EXPECT_EQ(a.bits, b.bits) << a.name;
    EXPECT_EQ(a.is_signed, b.is_signed) << a.name;
    EXPECT_EQ(a.scale, b.scale) << a.name;
  }
  ASSERT_EQ(got.layers.size(), expected.layers.size());
  for (size_t i = 0; i < got.layers.size(); ++i) {
    const Layer& a = got.layers[i];
    const Layer& b = expected.layers[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.weights.codes, b.weights.codes) << a.name;
    EXPECT_EQ(a.weights.scales, b.weights.scales) << a.name;
    EXPECT_EQ(a.weights.bits, b.weights.bits) << a.name;
    EXPECT_EQ(a.weights.value_map, b.weights.value_map) << a.name;
    EXPECT_EQ(a.bias, b.bias) << a.name;
  }
  EXPECT_EQ(net::content_hash(got), net::content_hash(expected));
}

constexpr OnnxForm kForms[] = {OnnxForm::kQdq, OnnxForm::kQdqInt4, OnnxForm::kQonnx};

class OnnxRoundTrip : public ::testing::TestWithParam<net::testing::NamedNetwork> {};

TEST_P(OnnxRoundTrip, KeepsEverything) {
  const TemporaryFolder folder;
  Network network = GetParam().network;
  network.metadata = {{"dataset", "mnist"}, {"accuracy", "0.91"}, {"version", "9.9.9"}};
  for (const OnnxForm form : kForms) {
    SCOPED_TRACE(static_cast<int>(form));
    write_onnx(network, folder / "a.onnx", form);
    const Network back = read_onnx(folder / "a.onnx");
    expect_equal(back, network);
    EXPECT_EQ(back.metadata, network.metadata);
  }
}

onnx::ModelProto load(const std::filesystem::path& path) {
  onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(read_file(path)));
  return model;
}

/// Without metadata a word is what types and Clip say: odd values are codes of one bit more.
TEST_P(OnnxRoundTrip, ReadsValuesWithoutOurMetadata) {
  const TemporaryFolder folder;
  const Network& network = GetParam().network;
  write_onnx(network, folder / "a.onnx");
  onnx::ModelProto model = load(folder / "a.onnx");
  model.clear_metadata_props();
  model.mutable_graph()->set_name(network.name);
  write_file_atomically(folder / "b.onnx", model.SerializeAsString());
  const Network back = read_onnx(folder / "b.onnx");
  ASSERT_EQ(back.layers.size(), network.layers.size());
  for (size_t i = 0; i < back.layers.size(); ++i) {
    const Weights& a = back.layers[i].weights;
    const Weights& b = network.layers[i].weights;
    ASSERT_EQ(a.codes.size(), b.codes.size());
    for (size_t k = 0; k < a.codes.size(); ++k) EXPECT_EQ(a.value(a.codes[k]), b.value(b.codes[k]));
    EXPECT_EQ(a.value_map, ValueMap::kCode);
    if (network.layers[i].multiplies()) {
      EXPECT_EQ(a.bits, b.bits + (b.value_map == ValueMap::kOdd ? 1 : 0));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Zoo, OnnxRoundTrip, ::testing::ValuesIn(net::testing::zoo()),
                         [](const auto& one) { return one.param.name; });

TEST(ContentHash, SeesEveryNumberButNoName) {
  const Network network = net::testing::residual({});
  const std::string hash = net::content_hash(network);
  const auto changed = [&](const std::function<void(Network&)>& change) {
    Network copy = network;
    change(copy);
    return net::content_hash(copy) != hash;
  };
  EXPECT_TRUE(changed([](Network& n) { n.layers[0].weights.codes[5] ^= 1; }));
  EXPECT_TRUE(changed([](Network& n) { n.layers[0].bias[0] += 1; }));
  EXPECT_TRUE(changed([](Network& n) { n.layers[0].weights.scales[0] *= 2; }));
  EXPECT_TRUE(changed([](Network& n) { n.activations[0].scale *= 2; }));
  EXPECT_TRUE(changed([](Network& n) { n.layers[2].relu = !n.layers[2].relu; }));
  EXPECT_FALSE(changed([](Network& n) { n.name = n.layers[0].name = "other"; }));
  EXPECT_FALSE(changed([](Network& n) { n.metadata["accuracy"] = "1"; }));
}

/// A QDQ model as other exporters write it: float weights through QuantizeLinear, MatMul and Add,
/// a float bias, constants as nodes, opset 17.
onnx::ModelProto foreign_model() {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  onnx::GraphProto& graph = *model.mutable_graph();
  graph.set_name("foreign");
  auto& input = *graph.add_input();
  input.set_name("x");
  auto& type = *input.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  type.mutable_shape()->add_dim()->set_dim_value(1);
  type.mutable_shape()->add_dim()->set_dim_value(2);
  graph.add_output()->set_name("y");
  const auto constant = [&](const std::string& name, onnx::TensorProto::DataType data_type,
                            const std::vector<float>& values, const std::vector<int64_t>& dims) {
    onnx::NodeProto& node = *graph.add_node();
    node.set_op_type("Constant");
    node.add_output(name);
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name("value");
    attribute.set_type(onnx::AttributeProto::TENSOR);
    onnx::TensorProto& tensor = *attribute.mutable_t();
    tensor.set_data_type(data_type);
    for (const int64_t dim : dims) tensor.add_dims(dim);
    for (const float value : values) {
      if (data_type == onnx::TensorProto::FLOAT) {
        tensor.add_float_data(value);
      } else {
        tensor.add_int32_data(static_cast<int32_t>(value));
      }
    }
  };
  const auto node = [&](const std::string& op, const std::vector<std::string>& inputs,
                        const std::string& output) {
    onnx::NodeProto& made = *graph.add_node();
    made.set_op_type(op);
    for (const std::string& one : inputs) made.add_input(one);
    made.add_output(output);
  };
  constant("s", onnx::TensorProto::FLOAT, {0.5F}, {});
  constant("z", onnx::TensorProto::INT8, {0}, {});
  constant("w", onnx::TensorProto::FLOAT, {1, -1, 2, 0.5F, 0, 3}, {2, 3});
  constant("b", onnx::TensorProto::FLOAT, {0.25F, -1, 0}, {3});
  node("QuantizeLinear", {"x", "s", "z"}, "xq");
  node("DequantizeLinear", {"xq", "s", "z"}, "xr");
  node("QuantizeLinear", {"w", "s", "z"}, "wq");
  node("DequantizeLinear", {"wq", "s", "z"}, "wr");
  node("MatMul", {"xr", "wr"}, "xw");
  node("Add", {"xw", "b"}, "y");
  return model;
}

TEST(ReadOnnx, TakesEquivalentModelsMadeElsewhere) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "f.onnx", foreign_model().SerializeAsString());
  const Network network = read_onnx(folder / "f.onnx");
  EXPECT_EQ(network.name, "foreign");
  const Layer& layer = network.layers.at(0);
  EXPECT_EQ(layer.weights.bits, 8);
  EXPECT_EQ(layer.weights.codes, (std::vector<int8_t>{2, 1, -2, 0, 4, 6}));
  EXPECT_EQ(layer.bias, (std::vector<int32_t>{1, -4, 0}));
  EXPECT_EQ(network.input().shape, (Shape{2, 1, 1}));
}

std::string error_of(const std::filesystem::path& path) {
  try {
    read_onnx(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ReadOnnx, SaysInOneLineThatAFileIsNoModel) {
  const TemporaryFolder folder;
  write_onnx(net::testing::lenet({}, 16), folder / "a.onnx");
  const std::string whole = read_file(folder / "a.onnx");
  write_file_atomically(folder / "empty", "");
  write_file_atomically(folder / "text", "This is not a model.\n");
  for (const double share : {0.001, 0.1, 0.5, 0.999}) {
    write_file_atomically(
        folder / "part",
        whole.substr(0, static_cast<size_t>(share * static_cast<double>(whole.size()))));
    EXPECT_THAT(error_of(folder / "part"), HasSubstr("part: is not an ONNX model"));
  }
  EXPECT_THAT(error_of(folder / "empty"), HasSubstr("empty: is not an ONNX model"));
  EXPECT_THAT(error_of(folder / "text"), HasSubstr("text: is not an ONNX model"));
  EXPECT_THAT(error_of(folder / "missing"), HasSubstr("No such file"));
}

TEST(ReadOnnx, TakesTheModelOfARunFolder) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "run");
  EXPECT_THAT(error_of(folder / "run"), HasSubstr("run: holds no model.onnx"));
  write_onnx(net::testing::lenet({}, 16), folder / "run/model.onnx");
  EXPECT_EQ(net::content_hash(read_onnx(folder / "run")),
            net::content_hash(net::testing::lenet({}, 16)));
}

TEST(ReadOnnx, RefusesTextThatIsNotUtf8) {
  const TemporaryFolder folder;
  Network network = net::testing::lenet({}, 16);
  network.metadata["dataset"] = "m\xffnist";
  write_onnx(network, folder / "a.onnx");
  EXPECT_THAT(error_of(folder / "a.onnx"),
              HasSubstr("a.onnx: has metadata with a value that is not UTF-8 text"));
  network = net::testing::lenet({}, 16);
  network.layers[0].name = "conv\xc3";
  write_onnx(network, folder / "a.onnx");
  EXPECT_THAT(error_of(folder / "a.onnx"), HasSubstr("a layer with a name that is not UTF-8"));
}

struct Edit {
  std::string name;
  std::function<void(onnx::GraphProto&)> apply;
  std::string message;
};

onnx::NodeProto& node_named(onnx::GraphProto& graph, const std::string& name) {
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    if (node.name() == name) return node;
  }
  throw Error("no node " + name);
}

onnx::TensorProto& tensor_named(onnx::GraphProto& graph, const std::string& name) {
  for (onnx::TensorProto& tensor : *graph.mutable_initializer()) {
    if (tensor.name() == name) return tensor;
  }
  throw Error("no tensor " + name);
}

class ReadDamagedOnnx : public ::testing::TestWithParam<Edit> {};

TEST_P(ReadDamagedOnnx, NamesNodeAndReason) {
  const TemporaryFolder folder;
  write_onnx(net::testing::lenet({}, 16), folder / "a.onnx");
  onnx::ModelProto model = load(folder / "a.onnx");
  GetParam().apply(*model.mutable_graph());
  write_file_atomically(folder / "b.onnx", model.SerializeAsString());
  EXPECT_THAT(error_of(folder / "b.onnx"), HasSubstr(GetParam().message));
}

const Edit kEdits[] = {
    {"Operator", [](auto& g) { node_named(g, "conv1/relu").set_op_type("Sinh"); },
     "node conv1/relu (Sinh): operator is not supported"},
    {"WeightType",
     [](auto& g) {
       auto& tensor = tensor_named(g, "conv1:weight:values");
       tensor.set_data_type(onnx::TensorProto::FLOAT16);
     },
     "conv1:weight:values: expected FLOAT, got FLOAT16"},
    {"FloatWeights", [](auto& g) { *node_named(g, "conv1").mutable_input(1) = "nowhere"; },
     "node conv1 (Conv): weights nowhere must be constant"},
    {"ZeroPoint", [](auto& g) { tensor_named(g, "conv1_out:zero").set_raw_data("\xC8"); },
     "(Clip): zero point 200 is outside 0..15"},
    {"Dilation",
     [](auto& g) {
       auto& attribute = *node_named(g, "conv1").add_attribute();
       attribute.set_name("dilations");
       attribute.set_type(onnx::AttributeProto::INTS);
       attribute.add_ints(2);
       attribute.add_ints(2);
     },
     "node fc5 (Gemm): weights of 64 inputs do not fit 16 features"},
    {"Attribute",
     [](auto& g) {
       auto& attribute = *node_named(g, "pool2").add_attribute();
       attribute.set_name("surprise");
       attribute.set_type(onnx::AttributeProto::INT);
     },
     "node pool2 (MaxPool): attribute surprise is not supported"},
    {"UnevenPads",
     [](auto& g) {
       for (auto& a : *node_named(g, "conv1").mutable_attribute()) {
         if (a.name() == "pads") a.set_ints(0, 1);
       }
     },
     "node fc5 (Gemm): weights of 64 inputs do not fit 32 features"},
    {"ShortWeights", [](auto& g) { tensor_named(g, "conv1:weight:values").set_raw_data("abc"); },
     "conv1:weight:values: expected 150 elements, got 3"},
    {"ExternalData",
     [](auto& g) {
       tensor_named(g, "conv1:weight:values").set_data_location(onnx::TensorProto::EXTERNAL);
     },
     "outside the model's folder"},
    {"Output", [](auto& g) { g.mutable_output(0)->set_name("pool2:sum"); },
     "graph: output pool2:sum is not the result of the last layer"},
    {"NothingComputed", [](auto& g) { *node_named(g, "conv1/relu").mutable_input(0) = "nowhere"; },
     "reads nowhere, which nothing before it computed"},
};

INSTANTIATE_TEST_SUITE_P(Edits, ReadDamagedOnnx, ::testing::ValuesIn(kEdits),
                         [](const auto& one) { return one.param.name; });

/// No two nodes, and no two tensors, of one name; every helper of the writer has a rival here.
TEST(WriteOnnx, KeepsApartNamesThatLookAlike) {
  const TemporaryFolder folder;
  Network network = net::testing::residual({});
  const std::string first = network.layers[0].name;
  const char* const suffixes[] = {":sum", ":relu", ":weight", ":bias", ":weight:values"};
  for (size_t i = 0; i < std::size(suffixes); ++i) {
    network.activations[i + 1].name = first + suffixes[i];
  }
  network.layers[1].name = first + ":sum/quantize";
  network.layers[2].name = first + "/relu";
  for (const OnnxForm form : kForms) {
    SCOPED_TRACE(static_cast<int>(form));
    write_onnx(network, folder / "a.onnx", form);
    const onnx::ModelProto model = load(folder / "a.onnx");
    std::set<std::string> nodes;
    std::set<std::string> tensors{model.graph().input(0).name()};
    for (const auto& tensor : model.graph().initializer()) {
      EXPECT_TRUE(tensors.insert(tensor.name()).second) << tensor.name();
    }
    for (const auto& node : model.graph().node()) {
      EXPECT_TRUE(nodes.insert(node.name()).second) << node.name();
      EXPECT_TRUE(tensors.insert(node.output(0)).second) << node.output(0);
    }
    expect_equal(read_onnx(folder / "a.onnx"), network);
  }
}

/// ONNX Runtime runs max-pools on codes, and has none for words of 4 bits.
TEST(WriteOnnx, PoolsWordsOfEightBits) {
  const TemporaryFolder folder;
  write_onnx(net::testing::lenet({}, 16), folder / "a.onnx", OnnxForm::kQdqInt4);
  const onnx::ModelProto model = load(folder / "a.onnx");
  std::map<std::string, int> types;
  for (const auto& tensor : model.graph().initializer()) types[tensor.name()] = tensor.data_type();
  EXPECT_EQ(types.at("conv1:weight:values"), 22) << "INT4";
  EXPECT_EQ(types.at("conv1_out:zero"), onnx::TensorProto::UINT8);
  EXPECT_EQ(types.at("fc5_out:zero"), 21) << "UINT4";
}

TEST(WriteOnnx, RefusesNamesThatAreUsedTwice) {
  const TemporaryFolder folder;
  Network network = net::testing::lenet({}, 16);
  network.layers[1].name = network.layers[0].name;
  EXPECT_THROW(write_onnx(network, folder / "a.onnx"), Error);
}

}  // namespace
}  // namespace flatenn::interop
