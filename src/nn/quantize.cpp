#include "flatenn/nn/quantize.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdlib>

#include "flatenn/base/error.h"
#include "nn/quantize_kernels.h"

namespace flatenn::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

class FusedQuantize : public torch::autograd::Function<FusedQuantize> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& /*log_scale*/, const torch::Tensor& scale,
                               int64_t min_code, int64_t max_code, bool odd,
                               double gradient_scale) {
    context->save_for_backward({x, scale});
    context->saved_data["min_code"] = min_code;
    context->saved_data["max_code"] = max_code;
    context->saved_data["odd"] = odd;
    context->saved_data["gradient_scale"] = gradient_scale;
    return quantize_forward(x, scale, grid_values({min_code, max_code, map_of(odd)}));
  }

  static tensor_list backward(AutogradContext* context, tensor_list grads) {
    const auto saved = context->get_saved_variables();
    const Grid grid{context->saved_data["min_code"].toInt(),
                    context->saved_data["max_code"].toInt(),
                    map_of(context->saved_data["odd"].toBool())};
    QuantizeGradients result = quantize_backward(grads[0], saved[0], saved[1], grid_values(grid));
    result.scale.mul_(context->saved_data["gradient_scale"].toDouble());
    return {result.x, result.scale, {}, {}, {}, {}, {}};
  }

 private:
  static net::ValueMap map_of(bool odd) { return odd ? net::ValueMap::kOdd : net::ValueMap::kCode; }
};

torch::Tensor spread_over_first(const torch::Tensor& scale, int64_t dims) {
  if (scale.numel() == 1) return scale.view({1});
  std::vector<int64_t> shape(static_cast<size_t>(dims), 1);
  shape[0] = scale.numel();
  return scale.view(shape);
}

/// Straight-through estimators written as x + (f(x) - x) with the bracket held constant.
torch::Tensor composite_quantize(const torch::Tensor& x, const torch::Tensor& log_scale,
                                 const GridValues& grid, double gradient_scale,
                                 const torch::Tensor& base) {
  const torch::Tensor scaled = log_scale * gradient_scale;
  const torch::Tensor t = log_scale.detach() + (scaled - scaled.detach());
  const torch::Tensor scale = base.defined() ? base * t.exp() : t.exp();
  const torch::Tensor s = spread_over_first(scale, x.dim());
  const torch::Tensor u = (x * s.reciprocal()).clamp(grid.low, grid.high);
  const torch::Tensor v = ((u - grid.offset) / grid.step).round() * grid.step + grid.offset;
  return (u + (v - u).detach()) * s;
}

}  // namespace

Grid Grid::signed_codes(int64_t bits, net::ValueMap value_map) {
  const int64_t half = int64_t{1} << (bits - 1);
  return {-half, half - 1, value_map};
}

Grid Grid::unsigned_codes(int64_t bits) {
  return {0, (int64_t{1} << bits) - 1, net::ValueMap::kCode};
}

int64_t Grid::min_value() const {
  return value_map == net::ValueMap::kOdd ? 2 * min_code + 1 : min_code;
}

int64_t Grid::max_value() const {
  return value_map == net::ValueMap::kOdd ? 2 * max_code + 1 : max_code;
}

int64_t Grid::reach() const { return std::max(std::abs(min_value()), std::abs(max_value())); }

torch::Tensor fake_quantize(const torch::Tensor& x, const torch::Tensor& log_scale,
                            const Grid& grid, double gradient_scale, QuantizeForm form,
                            const torch::Tensor& base) {
  FLATENN_CHECK(log_scale.numel() == 1 || log_scale.numel() == x.size(0),
                "fake_quantize: expected 1 or ", x.size(0), " scales, got ", log_scale.numel());
  if (form == QuantizeForm::kComposite)
    return composite_quantize(x, log_scale, grid_values(grid), gradient_scale, base);
  return FusedQuantize::apply(x, log_scale, real_scale(log_scale, base), grid.min_code,
                              grid.max_code, grid.value_map == net::ValueMap::kOdd, gradient_scale);
}

torch::Tensor real_scale(const torch::Tensor& log_scale, const torch::Tensor& base) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor change = log_scale.exp();
  return base.defined() ? base * change : change;
}

torch::Tensor quantize_codes(const torch::Tensor& x, const torch::Tensor& scale, const Grid& grid) {
  const torch::NoGradGuard no_grad;
  const GridValues values = grid_values(grid);
  const torch::Tensor u = x * spread_over_first(scale, x.dim()).reciprocal();
  return ((u.clamp(values.low, values.high) - values.offset) / values.step).round();
}

torch::Tensor code_values(const torch::Tensor& codes, net::ValueMap value_map) {
  return value_map == net::ValueMap::kOdd ? codes * 2 + 1 : codes;
}

}  // namespace flatenn::nn
