#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "base/temporary_folder.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/interop/onnx.h"

/// Files that make no sense, each refused by one line that names the file and the node.
namespace flatenn::interop {
namespace {

using ::testing::HasSubstr;
using Model = onnx::ModelProto;
using Node = onnx::NodeProto;

void add_floats(Model& model, const std::string& name, const std::vector<float>& values,
                const std::vector<int64_t>& dims) {
  onnx::TensorProto& tensor = *model.mutable_graph()->add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  for (const int64_t dim : dims) tensor.add_dims(dim);
  for (const float value : values) tensor.add_float_data(value);
}

template <typename T>
void add_integers(Model& model, const std::string& name, onnx::TensorProto::DataType type,
                  const std::vector<T>& values, const std::vector<int64_t>& dims) {
  onnx::TensorProto& tensor = *model.mutable_graph()->add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(type);
  for (const int64_t dim : dims) tensor.add_dims(dim);
  tensor.set_raw_data(values.data(), values.size() * sizeof(T));
}

Node& add_node(Model& model, const std::string& op, const std::vector<std::string>& inputs,
               const std::string& output) {
  Node& node = *model.mutable_graph()->add_node();
  node.set_op_type(op);
  node.set_name(output);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(output);
  return node;
}

void set_ints(Node& node, const std::string& name, const std::vector<int64_t>& values) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INTS);
  for (const int64_t value : values) attribute.add_ints(value);
}

/// image [1, 4, 4] -> codes -> a convolution of two filters with a bias -> codes -> Flatten.
Model sound() {
  Model model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  onnx::GraphProto& graph = *model.mutable_graph();
  graph.set_name("net");
  onnx::ValueInfoProto& image = *graph.add_input();
  image.set_name("image");
  auto& type = *image.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  type.mutable_shape()->add_dim()->set_dim_param("N");
  for (const int64_t extent : {1, 4, 4}) type.mutable_shape()->add_dim()->set_dim_value(extent);
  add_floats(model, "s", {0.5F}, {});
  add_integers<uint8_t>(model, "z", onnx::TensorProto::UINT8, {3}, {});
  add_integers<int8_t>(model, "w", onnx::TensorProto::INT8, {1, -2}, {2, 1, 1, 1});
  add_floats(model, "ws", {0.25F}, {});
  add_integers<int8_t>(model, "wz", onnx::TensorProto::INT8, {0}, {});
  add_integers<int32_t>(model, "b", onnx::TensorProto::INT32, {5, -6}, {2});
  add_floats(model, "bs", {0.125F}, {});
  add_node(model, "QuantizeLinear", {"image", "s", "z"}, "codes");
  add_node(model, "DequantizeLinear", {"codes", "s", "z"}, "real");
  add_node(model, "DequantizeLinear", {"w", "ws", "wz"}, "weight");
  add_node(model, "DequantizeLinear", {"b", "bs"}, "bias");
  add_node(model, "Conv", {"real", "weight", "bias"}, "conv");
  add_node(model, "QuantizeLinear", {"conv", "s", "z"}, "out_codes");
  add_node(model, "DequantizeLinear", {"out_codes", "s", "z"}, "out");
  add_node(model, "Flatten", {"out"}, "logits");
  graph.add_output()->set_name("logits");
  return model;
}

onnx::TensorProto& tensor(Model& model, const std::string& name) {
  for (onnx::TensorProto& t : *model.mutable_graph()->mutable_initializer()) {
    if (t.name() == name) return t;
  }
  throw Error("no tensor " + name);
}

Node& node(Model& model, const std::string& name) {
  for (Node& n : *model.mutable_graph()->mutable_node()) {
    if (n.name() == name) return n;
  }
  throw Error("no node " + name);
}

void set_scale(Model& model, const std::string& name, float value) {
  tensor(model, name).set_float_data(0, value);
}

onnx::TensorShapeProto& image_shape(Model& model) {
  return *model.mutable_graph()
              ->mutable_input(0)
              ->mutable_type()
              ->mutable_tensor_type()
              ->mutable_shape();
}

struct Damage {
  std::string name;
  std::function<void(Model&)> apply;
  std::string message;
};

class DamagedModel : public ::testing::TestWithParam<Damage> {};

TEST(DamagedModels, SoundIsRead) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a.onnx", sound().SerializeAsString());
  EXPECT_EQ(read_onnx(folder / "a.onnx").layers.size(), 1);
}

TEST_P(DamagedModel, IsRefusedByOneLine) {
  const TemporaryFolder folder;
  Model model = sound();
  GetParam().apply(model);
  const std::filesystem::path path = folder / "a.onnx";
  write_file_atomically(path, model.SerializeAsString());
  try {
    read_onnx(path);
    FAIL() << "was accepted";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_THAT(message, HasSubstr(GetParam().message));
    EXPECT_TRUE(message.starts_with(path.string() + ": ")) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_LT(message.size(), path.string().size() + 1000) << message.size();
  }
}

const std::vector<Damage>& damages() {
  static const std::vector<Damage> kDamages = {
      {"Cycle", [](Model& m) { node(m, "real").set_input(0, "out_codes"); },
       "node real (DequantizeLinear): reads out_codes, which nothing before it computed"},
      {"NodeOfItself", [](Model& m) { node(m, "conv").set_input(0, "conv"); },
       "node conv (Conv): reads conv, which nothing before it computed"},
      {"OldOpset", [](Model& m) { m.mutable_opset_import(0)->set_version(8); }, "opset 8"},
      {"NewOpset", [](Model& m) { m.mutable_opset_import(0)->set_version(99); }, "opset 99"},
      {"NegativeOpset", [](Model& m) { m.mutable_opset_import(0)->set_version(-1); }, "opset -1"},
      {"NoOpset", [](Model& m) { m.clear_opset_import(); }, "does not say the version"},
      {"TwoOpsets", [](Model& m) { m.add_opset_import()->set_version(13); }, "two versions"},
      {"Domain", [](Model& m) { node(m, "conv").set_domain("org.example"); },
       "node conv (Conv): operators of domain org.example are not supported"},
      {"Function",
       [](Model& m) {
         m.add_functions()->set_name("Conv");
         m.mutable_functions(0)->set_domain("");
       },
       "node conv (Conv): is a function of the file"},
      {"NegativeImage", [](Model& m) { image_shape(m).mutable_dim(2)->set_dim_value(-4); },
       "input image"},
      {"HugeImage",
       [](Model& m) {
         for (int i = 1; i < 4; ++i) image_shape(m).mutable_dim(i)->set_dim_value(65536);
       },
       "tensor image: 65536x65536x65536 values"},
      {"OverflowingImage",
       [](Model& m) { image_shape(m).mutable_dim(2)->set_dim_value(INT64_MAX); }, "input image"},
      {"NegativeWeights", [](Model& m) { tensor(m, "w").set_dims(0, -2); },
       "node weight (DequantizeLinear): tensor w: dimension -2"},
      {"OverflowingWeights",
       [](Model& m) {
         tensor(m, "w").set_dims(0, INT64_MAX);
         tensor(m, "w").set_dims(1, 3);
       },
       "node weight (DequantizeLinear): tensor w"},
      {"TwoGigabytes", [](Model& m) { tensor(m, "w").set_dims(0, int64_t{1} << 31); },
       "expected 2147483648 elements, got 2"},
      {"HugePads",
       [](Model& m) {
         set_ints(node(m, "conv"), "pads", {65536, 65536, 65536, 65536});
       },
       "values an image are none, or more"},
      {"OverflowingPads",
       [](Model& m) {
         set_ints(node(m, "conv"), "pads", {INT64_MAX, 0, INT64_MAX, 0});
       },
       "node conv (Conv): attribute pads holds 9223372036854775807"},
      {"NegativeStride",
       [](Model& m) {
         set_ints(node(m, "conv"), "strides", {-1, 1});
       },
       "node conv (Conv): attribute strides holds -1"},
      {"OverflowingDilation",
       [](Model& m) {
         set_ints(node(m, "conv"), "dilations", {INT64_MAX, 1});
       },
       "node conv (Conv): attribute dilations"},
      {"ZeroScale", [](Model& m) { set_scale(m, "s", 0); },
       "node codes (QuantizeLinear): its scale must be positive, got 0"},
      {"NegativeScale", [](Model& m) { set_scale(m, "s", -1); },
       "node codes (QuantizeLinear): its scale must be positive, got -1"},
      {"ScaleNaN", [](Model& m) { set_scale(m, "s", NAN); },
       "node codes (QuantizeLinear): its scale must be positive, got nan"},
      {"InfiniteScale", [](Model& m) { set_scale(m, "s", INFINITY); },
       "node codes (QuantizeLinear): its scale must be positive, got inf"},
      {"NegativeWeightScale", [](Model& m) { set_scale(m, "ws", -1); },
       "node weight (DequantizeLinear): its scale must be positive, got -1"},
      {"WeightScaleNaN", [](Model& m) { set_scale(m, "ws", NAN); },
       "node weight (DequantizeLinear): its scale must be positive, got nan"},
      {"ComputedScale", [](Model& m) { node(m, "out_codes").set_input(1, "conv"); },
       "node out_codes (QuantizeLinear): conv must be a constant"},
      {"WideZeroPoint",
       [](Model& m) {
         add_integers<int32_t>(m, "wide", onnx::TensorProto::INT32, {300}, {});
         node(m, "codes").set_input(2, "wide");
       },
       "node codes (QuantizeLinear): codes of ONNX type 6"},
      {"ZeroPointOfAnotherType", [](Model& m) { node(m, "real").set_input(2, "wz"); },
       "node real (DequantizeLinear): its zero point has another type"},
      {"BiasScale", [](Model& m) { set_scale(m, "bs", 0.25F); },
       "node conv (Conv): its bias has a scale of 0.25 in channel 0, expected the product"},
      {"BiasZeroPoint",
       [](Model& m) {
         add_integers<int32_t>(m, "bz", onnx::TensorProto::INT32, {1}, {});
         node(m, "bias").add_input("bz");
       },
       "node bias (DequantizeLinear): the zero point of INT32 must be 0"},
      {"TwoTensorsOfOneName",
       [](Model& m) { *m.mutable_graph()->add_initializer() = tensor(m, "w"); },
       "initializer w: stands twice"},
      {"TwoOutputsOfOneName", [](Model& m) { node(m, "out").set_output(0, "conv"); },
       "node out (DequantizeLinear): writes conv, which exists already"},
      {"OutputOverTheImage", [](Model& m) { node(m, "conv").set_output(0, "image"); },
       "node conv (Conv): writes image, which exists already"},
      {"AttributeTwice",
       [](Model& m) {
         set_ints(node(m, "conv"), "strides", {1, 1});
         set_ints(node(m, "conv"), "strides", {2, 2});
       },
       "node conv (Conv): attribute strides stands twice"},
      {"NodeWithoutOutput", [](Model& m) { node(m, "conv").clear_output(); },
       "node conv (Conv): has no output"},
      {"NoOutput", [](Model& m) { m.mutable_graph()->clear_output(); }, "has no output"},
      {"AbsentOutput", [](Model& m) { m.mutable_graph()->mutable_output(0)->set_name("absent"); },
       "output absent is computed by no node"},
      {"JoinsThatDouble",
       [](Model& m) {
         std::string last = "out";
         for (int i = 0; i < 40; ++i) {
           const std::string next = "join" + std::to_string(i);
           Node& join = add_node(m, "Concat", {last, last}, next);
           onnx::AttributeProto& axis = *join.add_attribute();
           axis.set_name("axis");
           axis.set_type(onnx::AttributeProto::INT);
           axis.set_i(1);
           last = next;
         }
       },
       "node join12 (Concat): joins more than 4096 tensors"},
      {"ConstantsThatDouble",
       [](Model& m) {
         add_integers<int64_t>(m, "list", onnx::TensorProto::INT64, {1, 2}, {2});
         std::string last = "list";
         for (int i = 0; i < 60; ++i) {
           const std::string next = "join" + std::to_string(i);
           Node& join = add_node(m, "Concat", {last, last}, next);
           onnx::AttributeProto& axis = *join.add_attribute();
           axis.set_name("axis");
           axis.set_type(onnx::AttributeProto::INT);
           axis.set_i(0);
           last = next;
         }
       },
       "(Concat): joins more than a million constants"},
      {"TransposesOfALargeConstant",
       [](Model& m) {
         add_integers<int8_t>(m, "large", onnx::TensorProto::INT8, std::vector<int8_t>(1 << 20),
                              {1024, 1024});
         for (int i = 0; i < 1000; ++i) {
           add_node(m, "Transpose", {"large"}, "turned" + std::to_string(i));
         }
       },
       "(Transpose): with those before it makes more than 32 values of each byte of the file"},
      {"ConvolutionsOfOneLargeFilter",
       [](Model& m) {
         add_integers<int8_t>(m, "large", onnx::TensorProto::INT8, std::vector<int8_t>(1 << 20),
                              {1 << 20, 1, 1, 1});
         add_node(m, "DequantizeLinear", {"large", "ws", "wz"}, "filter");
         for (int i = 0; i < 1000; ++i) {
           add_node(m, "Conv", {"real", "filter"}, "wide" + std::to_string(i));
         }
       },
       "(Conv): with those before it makes more than 32 values of each byte of the file"},
      {"ZeroPointBeyondItsType",
       [](Model& m) {
         tensor(m, "z").clear_raw_data();
         tensor(m, "z").add_int32_data(300);
       },
       "node codes (QuantizeLinear): tensor z: holds 300, which its type UINT8 does not"},
      {"WeightBeyondItsType",
       [](Model& m) {
         tensor(m, "w").clear_raw_data();
         tensor(m, "w").add_int32_data(1);
         tensor(m, "w").add_int32_data(-129);
       },
       "tensor w: holds -129, which its type INT8 does not"},
      {"PathWithNul",
       [](Model& m) {
         tensor(m, "w").clear_raw_data();
         tensor(m, "w").set_data_location(onnx::TensorProto::EXTERNAL);
         onnx::StringStringEntryProto& location = *tensor(m, "w").add_external_data();
         location.set_key("location");
         location.set_value(std::string("w\0x", 3));
       },
       "tensor w: no path holds a NUL character"},
      {"NameOfMegabytes",
       [](Model& m) {
         node(m, "conv").set_op_type("Fourier");
         node(m, "conv").set_name(std::string(5'000'000, 'n'));
       },
       "nnn (Fourier): operator is not supported"},
  };
  return kDamages;
}

INSTANTIATE_TEST_SUITE_P(Models, DamagedModel, ::testing::ValuesIn(damages()),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace flatenn::interop
