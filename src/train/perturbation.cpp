#include "train/perturbation.h"

namespace flatenn::train {
namespace {

/// Of the definition: keeps eps finite where the gradient vanishes.
constexpr double kNormFloor = 1e-12;

torch::Tensor radius(const Target& target, double eta) { return target.value.abs().add_(eta); }

}  // namespace

torch::Tensor global_norm(const std::vector<torch::Tensor>& tensors) {
  if (tensors.empty()) return torch::zeros({});
  std::vector<torch::Tensor> norms;
  norms.reserve(tensors.size());
  for (const torch::Tensor& tensor : tensors) norms.push_back(tensor.norm());
  return torch::stack(norms).norm();
}

Perturbation ascent(const std::vector<Target>& targets, const SharpnessOptions& options) {
  const bool adaptive = options.method == SharpnessMethod::kAsaq;
  std::vector<torch::Tensor> grads;
  std::vector<torch::Tensor> stretched;  // T g
  for (const Target& target : targets) {
    grads.push_back(target.grad);
    const bool stretch = adaptive && target.is_adaptive;
    stretched.push_back(stretch ? target.grad * radius(target, options.eta) : target.grad);
  }
  Perturbation result;
  result.grad_norm = global_norm(grads);
  const torch::Tensor norm = adaptive ? global_norm(stretched) : result.grad_norm;
  const torch::Tensor factor = options.rho / (norm + kNormFloor);
  std::vector<torch::Tensor> of_weights;
  for (size_t i = 0; i < targets.size(); ++i) {
    torch::Tensor eps = stretched[i] * factor;
    if (adaptive && targets[i].is_adaptive) eps.mul_(radius(targets[i], options.eta));
    if (targets[i].is_weight) of_weights.push_back(eps);
    result.eps.push_back(std::move(eps));
  }
  result.weight_norm = global_norm(of_weights);
  return result;
}

}  // namespace flatenn::train
