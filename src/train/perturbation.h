#pragma once

#include <vector>

#include "flatenn/train/optimizer.h"
#include "flatenn/train/sam.h"

namespace flatenn::train {

/// One tensor that a sharpness-aware step moves between its passes.
struct Target {
  torch::Tensor value;       ///< The point that is moved: Q(w), w, or another parameter.
  torch::Tensor grad;        ///< dL/dvalue of the first pass.
  bool is_weight = false;    ///< Counts in ||eps|| / ||Q(w)||.
  bool is_adaptive = false;  ///< kAsaq: radius |value| + eta; otherwise 1.
};

struct Perturbation {
  std::vector<torch::Tensor> eps;  ///< One for each target.
  torch::Tensor grad_norm;         ///< ||g||
  torch::Tensor weight_norm;       ///< ||eps|| over weights.
};

/// eps = rho * g / (||g|| + 1e-12) with one norm over all targets; for kAsaq, with T = |value| +
/// eta (1 where not adaptive), eps = rho * T^2 g / (||T g|| + 1e-12). No host synchronization.
Perturbation ascent(const std::vector<Target>& targets, const SharpnessOptions& options);

/// One L2 norm over all tensors; 0 for none.
torch::Tensor global_norm(const std::vector<torch::Tensor>& tensors);

}  // namespace flatenn::train
