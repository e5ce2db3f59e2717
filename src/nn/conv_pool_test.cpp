#include "nn/conv_pool.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <vector>

namespace flatenn::nn {
namespace {

struct Case {
  int64_t images, in, out, height, width, pad;
};
/// LeNet-5's two, its CIFAR-10 form's, and shapes with odd rows, left-over channels and one image.
const std::vector<Case> kCases = {
    {9, 1, 6, 28, 28, 2}, {17, 6, 16, 14, 14, 0}, {3, 3, 6, 32, 32, 2}, {8, 6, 16, 16, 16, 0},
    {1, 2, 3, 9, 12, 1},  {2, 16, 32, 11, 36, 0}, {5, 7, 13, 7, 5, 2}};

struct Result {
  torch::Tensor y, x, weight, bias;
};

template <typename Operation>
Result run(const Case& c, const Operation& operation) {
  torch::manual_seed(static_cast<uint64_t>(c.images));
  const torch::Tensor x = torch::randn({c.images, c.in, c.height, c.width}).set_requires_grad(true);
  const torch::Tensor weight = torch::randn({c.out, c.in, 5, 5}).set_requires_grad(true);
  const torch::Tensor bias = torch::randn({c.out}).set_requires_grad(true);
  const torch::Tensor y = operation(x, weight, bias);
  const torch::Tensor grad = torch::randn(y.sizes());
  y.backward(grad * (grad > -0.3));  // some places get nothing, as after ReLU
  return {y.detach(), x.grad(), weight.grad(), bias.grad()};
}

Result fused(const Case& c) {
  return run(c, [&](const auto& x, const auto& w, const auto& b) {
    return conv_max_pool(x, w, b, c.pad);
  });
}

TEST(ConvMaxPool, EqualsConvolutionThenPooling) {
  for (const Case& c : kCases) {
    const Result got = fused(c);
    const Result expected = run(c, [&](const auto& x, const auto& w, const auto& b) {
      return torch::max_pool2d(torch::conv2d(x, w, b, 1, c.pad), 2);
    });
    // Sums of up to 400 products in another order.
    EXPECT_TRUE(torch::allclose(got.y, expected.y, 1e-4, 1e-4));
    EXPECT_TRUE(torch::allclose(got.x, expected.x, 1e-4, 1e-4));
    EXPECT_TRUE(torch::allclose(got.weight, expected.weight, 1e-4, 1e-3));
    EXPECT_TRUE(torch::allclose(got.bias, expected.bias, 1e-4, 1e-3));
  }
}

TEST(ConvMaxPool, DoesNotDependOnThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Result one = fused(kCases[1]);
  at::set_num_threads(3);
  const Result three = fused(kCases[1]);
  at::set_num_threads(threads);
  EXPECT_TRUE(torch::equal(one.y, three.y));
  EXPECT_TRUE(torch::equal(one.x, three.x));
  EXPECT_TRUE(torch::equal(one.weight, three.weight));
  EXPECT_TRUE(torch::equal(one.bias, three.bias));
}

TEST(ConvMaxPool, IsExactOnIntegers) {
  const Case& c = kCases[1];
  torch::manual_seed(5);
  const torch::Tensor x =
      torch::randint(0, 16, {c.images, c.in, c.height, c.width}).to(torch::kFloat);
  const torch::Tensor w = torch::randint(-8, 8, {c.out, c.in, 5, 5}).to(torch::kFloat);
  const torch::Tensor exact = torch::max_pool2d(
      torch::conv2d(x.to(torch::kFloat64), w.to(torch::kFloat64), {}, 1, c.pad), 2);
  EXPECT_TRUE(torch::equal(conv_max_pool(x, w, {}, c.pad).to(torch::kFloat64), exact));
}

TEST(ConvMaxPool, CoversOnlyWhatItComputes) {
  const LayerSpec conv{
      .name = "c", .in_channels = 6, .out_channels = 16, .window = square_window(5)};
  const LayerSpec pool{
      .name = "p", .kind = net::LayerKind::kMaxPool, .window = square_window(2, 2)};
  const torch::Tensor x = torch::zeros({1, 6, 14, 14});
  EXPECT_TRUE(covers_conv_max_pool(conv, pool, x));
  EXPECT_FALSE(covers_conv_max_pool(conv, pool, x.to(torch::kFloat64)));
  EXPECT_FALSE(covers_conv_max_pool(conv, pool, torch::zeros({1, 6, 14, 40})));
  EXPECT_FALSE(covers_conv_max_pool(conv, pool, torch::zeros({1, 6, 5, 14})));
  const auto with = [&](auto change) {
    LayerSpec c = conv, p = pool;
    change(c, p);
    return covers_conv_max_pool(c, p, x);
  };
  EXPECT_FALSE(with([](LayerSpec& c, LayerSpec&) { c.window.set_stride(2); }));
  EXPECT_FALSE(with([](LayerSpec& c, LayerSpec&) { c.groups = 2; }));
  EXPECT_FALSE(with([](LayerSpec& c, LayerSpec&) { c.window.set_kernel(3); }));
  EXPECT_FALSE(with([](LayerSpec& c, LayerSpec&) { c.out_channels = 64; }));
  EXPECT_FALSE(with([](LayerSpec&, LayerSpec& p) { p.window.set_kernel(3); }));
  EXPECT_FALSE(with([](LayerSpec& c, LayerSpec&) { c.window.bottom = 1; }));
  EXPECT_FALSE(with([](LayerSpec& c, LayerSpec&) { c.window.dilation_width = 2; }));
  EXPECT_FALSE(with([](LayerSpec&, LayerSpec& p) { p.window.right = 1; }));
}

}  // namespace
}  // namespace flatenn::nn
