#include "flatenn/interop/network_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/temporary_folder.h"
#include "flatenn/base/error.h"
#include "flatenn/interop/safetensors.h"
#include "flatenn/net/content_hash.h"
#include "interop/net_names.h"
#include "net/testing.h"

namespace flatenn::interop {
namespace {

using ::testing::HasSubstr;

TEST(NetworkWeights, PutEveryNumberBack) {
  const TemporaryFolder folder;
  for (const auto& [name, network] : net::testing::zoo()) {
    write_weights(network, folder / "a");
    Network other = network;
    for (Layer& layer : other.layers) {
      for (int8_t& code : layer.weights.codes) code = 0;
      for (float& scale : layer.weights.scales) scale = 1;
      for (int32_t& bias : layer.bias) bias = 0;
    }
    for (Activation& a : other.activations) a.scale = 1;
    ASSERT_NE(net::content_hash(other), net::content_hash(network));
    read_weights(other, folder / "a");
    EXPECT_EQ(net::content_hash(other), net::content_hash(network)) << name;
  }
}

TEST(NetworkWeights, HaveTheNamesAndShapesThatTheHeaderSays) {
  const TemporaryFolder folder;
  const Network network = net::testing::lenet({}, 16);
  write_weights(network, folder / "a");
  const TensorFile file = read_safetensors(folder / "a");
  const Weights& w = network.layers[0].weights;
  const StoredTensor* weight = file.find("conv1.weight");
  ASSERT_NE(weight, nullptr);
  EXPECT_EQ(weight->shape, (std::vector<int64_t>{w.out_channels, 1, 5, 5}));
  EXPECT_EQ(weight->integers(), (std::vector<int64_t>(w.codes.begin(), w.codes.end())));
  EXPECT_EQ(file.find("fc5.weight")->shape.size(), 2U);
  EXPECT_EQ(file.metadata.at("conv1.weight_bits"), "4");
  EXPECT_EQ(file.metadata.at("content_hash"), net::content_hash(network));
}

struct Edit {
  std::string name;
  std::function<void(TensorFile&)> apply;
  std::string message;
};

StoredTensor& tensor(TensorFile& file, const std::string& name) {
  for (StoredTensor& one : file.tensors) {
    if (one.name == name) return one;
  }
  throw Error("no tensor " + name);
}

class ReadBadWeights : public ::testing::TestWithParam<Edit> {};

TEST_P(ReadBadWeights, NamesTheTensorAndKeepsTheNetwork) {
  const TemporaryFolder folder;
  Network network = net::testing::lenet({}, 16);
  const std::string before = net::content_hash(network);
  write_weights(network, folder / "a");
  TensorFile file = read_safetensors(folder / "a");
  GetParam().apply(file);
  write_safetensors(file, folder / "b");
  try {
    read_weights(network, folder / "b");
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("/b: "));
    EXPECT_THAT(error.what(), HasSubstr(GetParam().message));
  }
  EXPECT_EQ(net::content_hash(network), before);
}

const Edit kEdits[] = {
    {"Missing",
     [](TensorFile& f) { std::erase_if(f.tensors, [](auto& t) { return t.name == "fc5.bias"; }); },
     "holds no tensor fc5.bias"},
    {"LeftOver", [](TensorFile& f) { f.tensors.push_back(stored_floats("extra", {1}, {1})); },
     "tensor extra belongs to no layer or activation"},
    {"Shape", [](TensorFile& f) { tensor(f, "conv1.weight").shape = {150}; },
     "tensor conv1.weight: expected shape [6, 1, 5, 5], got [150]"},
    {"Code", [](TensorFile& f) { tensor(f, "conv1.weight").bytes[3] = 8; },
     "tensor conv1.weight: 8 is outside -8..7"},
    {"Type", [](TensorFile& f) { tensor(f, "fc5.bias").type = TensorType::kF32; },
     "tensor fc5.bias: expected integers, got F32"},
    {"Scale",
     [](TensorFile& f) { tensor(f, "conv1.weight_scale").bytes = std::string(6 * 4, '\0'); },
     "tensor conv1.weight_scale: scale 0 is not a finite number other than 0"},
    {"NegativeScale",
     [](TensorFile& f) {
       tensor(f, "conv1_out.scale") = stored_floats("conv1_out.scale", {}, {-1});
     },
     "tensor conv1_out.scale: expected a positive scale, got -1"},
};

INSTANTIATE_TEST_SUITE_P(Edits, ReadBadWeights, ::testing::ValuesIn(kEdits),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace flatenn::interop
