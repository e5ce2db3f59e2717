#include "train/perturbation.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>

#include "train/norm_kernels.h"

namespace flatenn::train {
namespace {

/// Of the definition: keeps eps finite where the gradient vanishes.
constexpr double kNormFloor = 1e-12;

bool has_kernel(const torch::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == torch::kFloat32 && x.is_contiguous();
}

bool has_kernel(const Target& target) {
  return has_kernel(target.value) && has_kernel(target.grad) && has_kernel(target.place);
}

torch::Tensor exact_scalar(double value) { return torch::tensor(value, torch::kFloat64); }

/// Norm in double, on any device.
torch::Tensor exact_norm(const torch::Tensor& x) {
  return at::linalg_vector_norm(x, 2, c10::nullopt, /*keepdim=*/false, torch::kFloat64);
}

/// Sums of squares over targets: g, and what eps is apart from its factor.
struct Sums {
  double grad = 0;
  double radius = 0;  ///< T g, whose norm is to be rho.
  double weight = 0;  ///< T^2 g over weights.
};

Sums sum_on_cpu(const std::vector<Target>& targets, const SharpnessOptions& options) {
  Sums sums;
  for (const Target& target : targets) {
    const float* grad = target.grad.data_ptr<float>();
    const int64_t n = target.grad.numel();
    const double plain = squared_norm(grad, n);
    StretchedSums own{.once = plain, .twice = plain};
    if (options.method == SharpnessMethod::kAsaq && target.is_adaptive)
      own = stretched_norms(grad, target.value.data_ptr<float>(), options.eta, n);
    sums.grad += plain;
    sums.radius += own.once;
    if (target.is_weight) sums.weight += own.twice;
  }
  return sums;
}

Perturbation ascend_on_cpu(const std::vector<Target>& targets, const SharpnessOptions& options,
                           const Radius& rho) {
  const Sums sums = sum_on_cpu(targets, options);
  const double size = rho.size.defined() ? rho.size.item<double>() : 1;
  const double factor = rho.factor * size / (std::sqrt(sums.radius) + kNormFloor);
  for (const Target& target : targets) {
    const int64_t n = target.grad.numel();
    torch::Tensor place = target.place;
    float* out = place.data_ptr<float>();
    const float* grad = target.grad.data_ptr<float>();
    if (options.method == SharpnessMethod::kAsaq && target.is_adaptive) {
      write_stretched(out, grad, target.value.data_ptr<float>(), options.eta, factor, target.add,
                      n);
    } else {
      write_scaled(out, grad, factor, target.add, n);
    }
  }
  return {exact_scalar(std::sqrt(sums.grad)), exact_scalar(factor * std::sqrt(sums.weight))};
}

torch::Tensor radius(const Target& target, double eta) { return target.value.abs().add_(eta); }

/// The radius stays on the device: a recorded step takes the norm anew in each replay.
Perturbation ascend_anywhere(const std::vector<Target>& targets, const SharpnessOptions& options,
                             const Radius& rho) {
  const bool adaptive = options.method == SharpnessMethod::kAsaq;
  std::vector<torch::Tensor> grads;
  std::vector<torch::Tensor> once;   // T g
  std::vector<torch::Tensor> twice;  // T^2 g
  std::vector<torch::Tensor> of_weights;
  for (const Target& target : targets) {
    const bool stretch = adaptive && target.is_adaptive;
    const torch::Tensor t = stretch ? radius(target, options.eta) : torch::Tensor();
    grads.push_back(target.grad);
    once.push_back(stretch ? target.grad * t : target.grad);
    twice.push_back(stretch ? once.back() * t : target.grad);
    if (target.is_weight) of_weights.push_back(twice.back());
  }
  Perturbation result;
  result.grad_norm = global_norm(grads);
  const torch::Tensor norm = adaptive ? global_norm(once) : result.grad_norm;
  const torch::Tensor factor = rho.size.defined() ? rho.factor * rho.size / (norm + kNormFloor)
                                                  : rho.factor / (norm + kNormFloor);
  const torch::Tensor factor32 = factor.to(torch::kFloat32);
  for (size_t i = 0; i < targets.size(); ++i) {
    torch::Tensor place = targets[i].place;
    if (targets[i].add) {
      place.add_(twice[i] * factor32);
    } else {
      at::mul_out(place, twice[i], factor32);
    }
  }
  result.weight_norm = of_weights.empty() ? at::zeros_like(norm)
                       : of_weights.size() == targets.size() && !adaptive
                           ? factor * norm
                           : factor * global_norm(of_weights);
  return result;
}

}  // namespace

torch::Tensor global_norm(const std::vector<torch::Tensor>& tensors) {
  if (tensors.empty()) return exact_scalar(0);
  if (std::all_of(tensors.begin(), tensors.end(),
                  [](const torch::Tensor& x) { return has_kernel(x); })) {
    double sum = 0;
    for (const torch::Tensor& x : tensors) sum += squared_norm(x.data_ptr<float>(), x.numel());
    return exact_scalar(std::sqrt(sum));
  }
  std::vector<torch::Tensor> norms;
  norms.reserve(tensors.size());
  for (const torch::Tensor& tensor : tensors) norms.push_back(exact_norm(tensor));
  return torch::stack(norms).norm();
}

torch::Tensor dot(const std::vector<torch::Tensor>& a, const std::vector<torch::Tensor>& b) {
  std::vector<torch::Tensor> sums;
  for (size_t i = 0; i < a.size(); ++i) sums.push_back((a[i] * b[i]).sum(torch::kFloat64));
  return torch::stack(sums).sum();
}

Radius radius_of(const SharpnessOptions& options, const torch::Tensor& size) {
  return options.rho_relative ? Radius{*options.rho_relative, size} : Radius{options.rho, {}};
}

Perturbation ascend(const std::vector<Target>& targets, const SharpnessOptions& options,
                    const Radius& rho) {
  const bool on_cpu = std::all_of(targets.begin(), targets.end(),
                                  [](const Target& target) { return has_kernel(target); });
  return on_cpu ? ascend_on_cpu(targets, options, rho) : ascend_anywhere(targets, options, rho);
}

}  // namespace flatenn::train
