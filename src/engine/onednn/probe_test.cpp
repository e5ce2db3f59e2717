#include "engine/onednn/probe.h"

#include <gtest/gtest.h>

#include "engine/testing.h"

namespace flatenn::engine::onednn {
namespace {

constexpr int64_t kBatch = 5;

/// The multiplying layers of a network whose channels fill oneDNN's blocks.
class WrongOutput : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
    const auto vnni = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_vnni);
    if ((isa & vnni) != vnni) GTEST_SKIP() << "no AVX-512 VNNI";
  }

  std::optional<std::string> run(const net::Layer& layer, const net::Network& truth) {
    const FusedLayer fused(engine_, network_, layer, kBatch);
    const auto index = static_cast<size_t>(&layer - network_.layers.data());
    return wrong_output(engine_, fused, Packing(fused.weights_desc()), truth, truth.layers[index],
                        kBatch);
  }

  const dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  const net::Network network_ = net::testing::residual({.seed = 4}, 16);
};

TEST_F(WrongOutput, IsNoneWhereTheContractHolds) {
  for (const net::Layer& layer : network_.layers) {
    if (!layer.multiplies()) continue;
    EXPECT_EQ(run(layer, network_), std::nullopt) << layer.name;
  }
}

TEST_F(WrongOutput, NamesALayerThatScalesOtherwise) {
  net::Network other = network_;
  for (net::Layer& layer : other.layers) {
    for (float& scale : layer.weights.scales) scale *= 1.5F;
  }
  for (const net::Layer& layer : network_.layers) {
    if (!layer.multiplies()) continue;
    const auto wrong = run(layer, other);
    ASSERT_TRUE(wrong) << layer.name;
    EXPECT_NE(wrong->find(layer.name), std::string::npos) << *wrong;
  }
}

TEST_F(WrongOutput, NoticesWeightsInWrongPlaces) {
  using Tag = dnnl::memory::format_tag;
  int64_t tried = 0;
  for (const net::Layer& layer : network_.layers) {
    const net::Weights& w = layer.weights;
    if (!layer.multiplies() || w.out_channels % 16 != 0 || w.in_channels % 16 != 0) continue;
    const FusedLayer fused(engine_, network_, layer, kBatch);
    const dnnl::memory::desc plain({w.out_channels, w.in_channels, w.kernel_height, w.kernel_width},
                                   dnnl::memory::data_type::s8, Tag::oihw);
    if (Packing(plain).bytes() != Packing(fused.weights_desc()).bytes()) continue;
    EXPECT_TRUE(wrong_output(engine_, fused, Packing(plain), network_, layer, kBatch))
        << layer.name;
    ++tried;
  }
  EXPECT_GT(tried, 0);
}

}  // namespace
}  // namespace flatenn::engine::onednn
