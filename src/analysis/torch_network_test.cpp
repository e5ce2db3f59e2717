#include "flatenn/analysis/torch_network.h"

#include <gtest/gtest.h>

#include "flatenn/base/error.h"
#include "flatenn/engine/engine.h"
#include "net/testing.h"

namespace flatenn::analysis {
namespace {

constexpr int64_t kImages = 6;

engine::ImageCodes random_images(const net::Network& network, uint64_t seed) {
  return {.shape = network.input().shape,
          .count = kImages,
          .codes = net::testing::random_image_codes(network, kImages, seed)};
}

torch::Tensor code_tensor(const engine::ImageCodes& images) {
  torch::Tensor codes =
      torch::empty({images.count, images.shape.channels, images.shape.height, images.shape.width});
  for (size_t i = 0; i < images.codes.size(); ++i) {
    codes.data_ptr<float>()[i] = static_cast<float>(images.codes[i]);
  }
  return codes;
}

class TorchNetworkOf : public testing::TestWithParam<net::testing::NamedNetwork> {};

TEST_P(TorchNetworkOf, GivesTheReferenceEnginesLogitsWithoutMoves) {
  const auto network = std::make_shared<net::Network>(GetParam().network);
  const engine::ImageCodes images = random_images(*network, 1);
  const auto engine = engine::make_engine(network, std::make_shared<engine::ImageCodes>(images),
                                          {.kind = engine::EngineKind::kReference, .threads = 1});
  const std::vector<float> expected = engine::golden_logits(*engine, *network, images);
  const torch::Tensor logits = TorchNetwork(network).forward(code_tensor(images), {}).contiguous();
  ASSERT_EQ(logits.numel(), static_cast<int64_t>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(logits.data_ptr<float>()[i], expected[i]) << "logit " << i;
  }
}

TEST_P(TorchNetworkOf, GivesTheSameLogitsWithItsOwnRest) {
  const auto network = std::make_shared<net::Network>(GetParam().network);
  const TorchNetwork view(network);
  const torch::Tensor codes = code_tensor(random_images(*network, 1));
  const torch::Tensor logits = view.forward(codes, {});
  const torch::Tensor again = view.with_rest(view.rest())->forward(codes, {});
  // A code within rounding of a tie may fall on its other side.
  EXPECT_LT((again - logits).abs().mean().item<double>(),
            1e-2 * (1e-6 + logits.abs().mean().item<double>()));
}

TEST(TorchNetwork, SaysWhereThereIsNoCudaDevice) {
  if (torch::cuda::is_available()) GTEST_SKIP() << "there is a CUDA device";
  const auto network = std::make_shared<net::Network>(net::testing::mlp({.seed = 3}));
  try {
    TorchNetwork(network, torch::kCUDA);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "--device cuda: this LibTorch finds no CUDA device; use --device cpu");
  }
}

INSTANTIATE_TEST_SUITE_P(Zoo, TorchNetworkOf, testing::ValuesIn(net::testing::zoo()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace flatenn::analysis
