#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <vector>

#include "engine/cuda/cuda_engine.h"
#include "nn/norm_quantize.h"

/// Batch norm, skip connection and quantizer as one operation, against LibTorch's operations in
/// float64. Skipped where there is no device.
namespace flatenn::nn {
namespace {

constexpr double kScale = 0.21;
constexpr double kGradientScale = 0.37;

struct Inputs {
  torch::Tensor x, skip;  ///< skip may be undefined.
  BatchNorm norm;
  torch::Tensor log_scale;
  torch::Tensor grad;
};

/// What comes out, in float64 on the CPU.
struct Outputs {
  torch::Tensor y, x, skip, gamma, beta, log_scale, running_mean, running_var;
  double grad_norm = 0;  ///< Of what came from above.
};

torch::Tensor exact(const torch::Tensor& x) {
  return x.defined() ? x.detach().to(torch::kCPU, torch::kFloat64) : x;
}

torch::Tensor leaf(const torch::Tensor& x) {
  return x.defined() ? x.detach().clone().set_requires_grad(true) : x;
}

Outputs run(const Inputs& inputs, const Grid& grid, bool fused) {
  const auto copy = [&](const torch::Tensor& x) { return leaf(fused ? x : exact(x)); };
  const torch::Tensor x = copy(inputs.x), skip = copy(inputs.skip), t = copy(inputs.log_scale);
  BatchNorm norm{.gamma = copy(inputs.norm.gamma),
                 .beta = copy(inputs.norm.beta),
                 .running_mean = copy(inputs.norm.running_mean).detach(),
                 .running_var = copy(inputs.norm.running_var).detach()};
  torch::Tensor y;
  if (fused) {
    y = norm_quantize(x, norm, skip,
                      {.log_scale = t, .base = {}, .grid = grid, .gradient_scale = kGradientScale});
  } else {
    const torch::Tensor z =
        torch::batch_norm(x, norm.gamma, norm.beta, norm.running_mean, norm.running_var,
                          /*training=*/true, norm.momentum, norm.epsilon, /*cudnn_enabled=*/false);
    y = fake_quantize(skip.defined() ? z + skip : z, t, grid, kGradientScale,
                      QuantizeForm::kComposite);
  }
  y.backward(fused ? inputs.grad : exact(inputs.grad));
  return {exact(y),
          exact(x.grad()),
          skip.defined() ? exact(skip.grad()) : skip,
          exact(norm.gamma.grad()),
          exact(norm.beta.grad()),
          exact(t.grad()),
          exact(norm.running_mean),
          exact(norm.running_var),
          exact(inputs.grad).norm().item<double>()};
}

double distance(const torch::Tensor& got, const torch::Tensor& expected) {
  return ((got - expected).norm() / (expected.norm() + 1e-12)).item<double>();
}

class CudaNormQuantize : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = engine::cuda_unavailable();
    if (!reason.empty()) GTEST_SKIP() << reason;
    torch::manual_seed(1);
  }

  static torch::Tensor random(std::vector<int64_t> shape,
                              torch::ScalarType type = torch::kFloat32) {
    torch::Tensor x = torch::randn(shape).to(torch::kCUDA, type);
    return shape.size() == 4 ? x.contiguous(at::MemoryFormat::ChannelsLast) : x;
  }

  /// Means far from 0 and deviations that differ, as products have.
  static Inputs inputs_of(const std::vector<int64_t>& shape, bool skip, torch::ScalarType type) {
    const int64_t channels = shape[1];
    const bool maps = shape.size() == 4;
    const auto spread = [&](const torch::Tensor& values) {
      return maps ? values.view({1, -1, 1, 1}) : values;
    };
    const torch::Tensor offset = spread(random({channels}) * 5);
    const torch::Tensor size = spread(random({channels}).abs() + 0.1);
    return {.x = (random(shape) * size + offset).to(type),
            .skip = skip ? random(shape, type) : torch::Tensor(),
            .norm = {.gamma = random({channels}),
                     .beta = random({channels}),
                     .running_mean = random({channels}),
                     .running_var = random({channels}).abs()},
            .log_scale = torch::full({1}, std::log(kScale), torch::kCUDA),
            .grad = random(shape, type)};
  }
};

const std::vector<std::vector<int64_t>>& shapes() {
  static const std::vector<std::vector<int64_t>> all = {
      {2, 64, 5, 7}, {1, 8, 2, 3}, {40, 24, 9, 9}, {3, 520, 4, 4}, {300, 16, 16, 16}, {37, 512}};
  return all;
}

const std::vector<Grid>& grids() {
  static const std::vector<Grid> all = {Grid::unsigned_codes(4), Grid::signed_codes(4),
                                        Grid::unsigned_codes(8)};
  return all;
}

/// Values at a tie may round the other way, so that few elements differ by a step.
void expect_equal(const Outputs& got, const Outputs& expected, double tolerance) {
  const torch::Tensor steps = ((got.y - expected.y) / kScale).abs();
  EXPECT_LE(steps.max().item<double>(), 1.05);
  EXPECT_LE((steps > 0.5).sum().item<double>(), 1 + 1e-3 * static_cast<double>(steps.numel()));
  EXPECT_LE(distance(got.x, expected.x), tolerance);
  if (expected.skip.defined()) {
    EXPECT_LE(distance(got.skip, expected.skip), tolerance);
  }
  EXPECT_LE(distance(got.gamma, expected.gamma), tolerance);
  EXPECT_LE(distance(got.beta, expected.beta), tolerance);
  // A sum of terms that cancel: against what they are worth apart.
  EXPECT_LE((got.log_scale - expected.log_scale).abs().item<double>(),
            tolerance * kScale * kGradientScale * expected.grad_norm);
  EXPECT_LE(distance(got.running_mean, expected.running_mean), 1e-5);
  EXPECT_LE(distance(got.running_var, expected.running_var), 1e-5);
}

TEST_F(CudaNormQuantize, EqualsTheOperationsApart) {
  for (const auto& shape : shapes()) {
    for (const bool skip : {false, true}) {
      const Inputs inputs = inputs_of(shape, skip, torch::kFloat32);
      ASSERT_TRUE(covers_norm_quantize(inputs.x));
      for (const Grid& grid : grids()) {
        SCOPED_TRACE(::testing::PrintToString(shape) + (skip ? " with skip" : ""));
        // A clip that goes the other way takes a gradient with it.
        expect_equal(run(inputs, grid, true), run(inputs, grid, false), 2e-3);
      }
    }
  }
}

TEST_F(CudaNormQuantize, RoundsBfloat16OnceAtTheEnd) {
  for (const auto& shape : shapes()) {
    for (const bool skip : {false, true}) {
      const Inputs inputs = inputs_of(shape, skip, torch::kBFloat16);
      SCOPED_TRACE(::testing::PrintToString(shape) + (skip ? " with skip" : ""));
      const Grid grid = Grid::unsigned_codes(4);
      expect_equal(run(inputs, grid, true), run(inputs, grid, false), 5e-3);
    }
  }
}

TEST_F(CudaNormQuantize, GivesTheSameBitsTwice) {
  const Inputs inputs = inputs_of({64, 128, 16, 16}, true, torch::kBFloat16);
  const Outputs one = run(inputs, Grid::unsigned_codes(4), true);
  const Outputs two = run(inputs, Grid::unsigned_codes(4), true);
  EXPECT_TRUE(torch::equal(one.y, two.y));
  EXPECT_TRUE(torch::equal(one.x, two.x));
  EXPECT_TRUE(torch::equal(one.gamma, two.gamma));
  EXPECT_TRUE(torch::equal(one.log_scale, two.log_scale));
}

TEST_F(CudaNormQuantize, LeavesRunningStatisticsThatAreNotGiven) {
  Inputs inputs = inputs_of({4, 16, 3, 3}, false, torch::kFloat32);
  inputs.norm.running_mean = inputs.norm.running_var = torch::Tensor();
  const torch::Tensor y =
      norm_quantize(inputs.x, inputs.norm, {},
                    {.log_scale = inputs.log_scale, .base = {}, .grid = Grid::unsigned_codes(4)});
  EXPECT_EQ(y.sizes(), inputs.x.sizes());
}

TEST_F(CudaNormQuantize, KeepsNanSoThatDivergenceIsSeen) {
  Inputs inputs = inputs_of({4, 16, 3, 3}, false, torch::kFloat32);
  inputs.x[0][3][1][1] = NAN;
  const torch::Tensor nan = torch::isnan(run(inputs, Grid::unsigned_codes(4), true).y);
  EXPECT_TRUE(nan.select(1, 3).all().item<bool>());
  EXPECT_EQ(nan.sum().item<int64_t>(), 4 * 9);
}

TEST_F(CudaNormQuantize, CoversWhatItsVectorsDivide) {
  EXPECT_FALSE(covers_norm_quantize(random({2, 12, 3, 3}, torch::kBFloat16)));
  EXPECT_TRUE(covers_norm_quantize(random({2, 12, 3, 3})));
  EXPECT_FALSE(covers_norm_quantize(random({2, 16, 3, 3}).contiguous()));
  EXPECT_FALSE(covers_norm_quantize(random({2, 16, 3, 3}).cpu()));
  EXPECT_FALSE(covers_norm_quantize(random({2, 16, 3, 3}).to(torch::kFloat64)));
}

}  // namespace
}  // namespace flatenn::nn
