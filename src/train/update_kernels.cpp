#include "train/update_kernels.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>

#include <cmath>

#include "nn/multiversion.h"

namespace flatenn::train {
namespace {

/// Elements that one thread takes at a time.
constexpr int64_t kGrain = 65536;

FLATENN_MULTIVERSION
void sgd_span(float* __restrict value, const float* __restrict grad, float* __restrict moment,
              int64_t n, float rate, float momentum, float decay, float look_ahead) {
  for (int64_t i = 0; i < n; ++i) {
    const float d = grad[i] + decay * value[i];
    const float m = momentum * moment[i] + d;
    moment[i] = m;
    value[i] -= rate * (look_ahead * d + (look_ahead * momentum + (1 - look_ahead)) * m);
  }
}

FLATENN_MULTIVERSION
void plain_sgd_span(float* __restrict value, const float* __restrict grad, int64_t n, float rate,
                    float decay) {
  for (int64_t i = 0; i < n; ++i) value[i] -= rate * (grad[i] + decay * value[i]);
}

bool has_cpu_kernel(const torch::Tensor& value, const torch::Tensor& grad) {
  return value.is_cpu() && value.scalar_type() == torch::kFloat32 && value.is_contiguous() &&
         grad.is_contiguous();
}

}  // namespace

void sgd_update(torch::Tensor& value, const torch::Tensor& grad, torch::Tensor& moment,
                const SgdStep& step) {
  if (!has_cpu_kernel(value, grad)) {
    torch::Tensor d = step.weight_decay > 0 ? grad.add(value, step.weight_decay) : grad;
    if (moment.defined()) {
      moment.mul_(step.momentum).add_(d);
      d = step.nesterov ? d.add(moment, step.momentum) : moment;
    }
    value.add_(d, -step.learning_rate);
    return;
  }
  const auto rate = static_cast<float>(step.learning_rate);
  const auto momentum = static_cast<float>(step.momentum);
  const auto decay = static_cast<float>(step.weight_decay);
  const float look_ahead = step.nesterov ? 1.0F : 0.0F;
  float* values = value.data_ptr<float>();
  const float* grads = grad.data_ptr<float>();
  float* moments = moment.defined() ? moment.data_ptr<float>() : nullptr;
  at::parallel_for(0, value.numel(), kGrain, [&](int64_t begin, int64_t end) {
    const int64_t n = end - begin;
    if (moments)
      sgd_span(values + begin, grads + begin, moments + begin, n, rate, momentum, decay,
               look_ahead);
    else
      plain_sgd_span(values + begin, grads + begin, n, rate, decay);
  });
}

void adam_update(torch::Tensor& value, const torch::Tensor& grad, torch::Tensor& first,
                 torch::Tensor& second, const AdamStep& step) {
  torch::Tensor d = grad;
  if (step.decoupled)
    value.mul_(1 - step.learning_rate * step.weight_decay);
  else if (step.weight_decay > 0)
    d = grad.add(value, step.weight_decay);
  first.mul_(step.beta1).add_(d, 1 - step.beta1);
  second.mul_(step.beta2).addcmul_(d, d, 1 - step.beta2);
  const double count = static_cast<double>(step.count);
  const double first_correction = 1 - std::pow(step.beta1, count);
  const double second_correction = 1 - std::pow(step.beta2, count);
  const torch::Tensor denominator =
      second.sqrt().div_(std::sqrt(second_correction)).add_(step.epsilon);
  value.addcdiv_(first, denominator, -step.learning_rate / first_correction);
}

}  // namespace flatenn::train
