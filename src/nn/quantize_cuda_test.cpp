#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "engine/cuda/cuda_engine.h"
#include "flatenn/nn/quantize.h"
#include "nn/quantize_kernels.h"

/// The fused quantizer's CUDA kernels. Skipped where there is no device.
namespace flatenn::nn {
namespace {

const std::vector<Grid>& grids() {
  static const std::vector<Grid> all = {Grid::signed_codes(4), Grid::unsigned_codes(4),
                                        Grid::signed_codes(8), Grid::signed_codes(2),
                                        Grid::signed_codes(4, net::ValueMap::kOdd)};
  return all;
}

class CudaQuantizer : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = engine::cuda_unavailable();
    if (!reason.empty()) GTEST_SKIP() << reason;
    torch::manual_seed(1);
  }

  /// Numbers that lie on a CUDA device, with rows that no vector of elements divides.
  static torch::Tensor random(std::vector<int64_t> shape) {
    return torch::randn(shape).to(torch::kCUDA);
  }
};

struct Gradients {
  torch::Tensor value, x, log_scale;
};
Gradients gradients(const torch::Tensor& x, const torch::Tensor& log_scale, const Grid& grid,
                    const torch::Tensor& grad, QuantizeForm form) {
  const torch::Tensor a = x.clone().set_requires_grad(true);
  const torch::Tensor t = log_scale.clone().set_requires_grad(true);
  const torch::Tensor q = fake_quantize(a, t, grid, /*gradient_scale=*/0.37, form);
  q.backward(grad);
  return {q.detach(), a.grad(), t.grad()};
}

TEST_F(CudaQuantizer, EqualsTheCompositeFormInValuesAndFirstGradients) {
  for (const Grid& grid : grids()) {
    for (const int64_t scales : {int64_t{1}, int64_t{6}}) {
      const torch::Tensor x = random({6, 5, 7, 3}), grad = random({6, 5, 7, 3});
      const torch::Tensor t = random({scales}) * 0.3 - 1.5;
      const Gradients fused = gradients(x, t, grid, grad, QuantizeForm::kFused);
      const Gradients composite = gradients(x, t, grid, grad, QuantizeForm::kComposite);
      EXPECT_TRUE(torch::equal(fused.value, composite.value));
      EXPECT_TRUE(torch::allclose(fused.x, composite.x));
      EXPECT_TRUE(torch::allclose(fused.log_scale, composite.log_scale, 1e-4, 1e-5));
    }
  }
}

TEST_F(CudaQuantizer, GivesTheCpusBits) {
  for (const Grid& grid : grids()) {
    for (const int64_t scales : {int64_t{1}, int64_t{6}}) {
      const torch::Tensor x = random({6, 4099});
      const torch::Tensor scale = (random({scales}) * 0.3 - 1.5).exp();
      const torch::Tensor here = quantize_forward(x.cpu(), scale.cpu(), grid_values(grid));
      EXPECT_TRUE(torch::equal(quantize_forward(x, scale, grid_values(grid)).cpu(), here));
    }
  }
}

TEST_F(CudaQuantizer, ComputesBfloat16InFloat32) {
  const torch::Tensor scale = torch::full({1}, 0.21, torch::kCUDA);
  for (const Grid& grid : grids()) {
    const torch::Tensor x = random({3, 1025}).to(torch::kBFloat16);
    const torch::Tensor wide = quantize_forward(x.to(torch::kFloat32), scale, grid_values(grid));
    EXPECT_TRUE(
        torch::equal(quantize_forward(x, scale, grid_values(grid)), wide.to(torch::kBFloat16)));
  }
}

TEST_F(CudaQuantizer, SumsTheScalesGradientInAFixedOrder) {
  const torch::Tensor x = random({3, 400001}), grad = random({3, 400001});
  const torch::Tensor t = torch::full({3}, -1.1, torch::kCUDA);
  const Grid grid = Grid::signed_codes(4);
  const Gradients one = gradients(x, t, grid, grad, QuantizeForm::kFused);
  const Gradients two = gradients(x, t, grid, grad, QuantizeForm::kFused);
  EXPECT_TRUE(torch::equal(one.log_scale, two.log_scale));
}

TEST_F(CudaQuantizer, KeepsNanSoThatDivergenceIsSeen) {
  const torch::Tensor x = torch::tensor({1.0F, NAN}).to(torch::kCUDA);
  const torch::Tensor q =
      fake_quantize(x, torch::zeros({1}, torch::kCUDA), Grid::unsigned_codes(4), 1).cpu();
  EXPECT_FALSE(torch::isnan(q[0]).item<bool>());
  EXPECT_TRUE(torch::isnan(q[1]).item<bool>());
}

}  // namespace
}  // namespace flatenn::nn
