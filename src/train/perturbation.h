#pragma once

#include <vector>

#include "flatenn/train/optimizer.h"
#include "flatenn/train/sam.h"

namespace flatenn::train {

/// One tensor that a sharpness-aware step moves between its passes. All float32, of one shape.
struct Target {
  torch::Tensor value;       ///< The point that is moved: Q(w), w, or another parameter.
  torch::Tensor grad;        ///< dL/dvalue of the first pass.
  torch::Tensor place;       ///< Where eps goes; may be `value`.
  bool add = false;          ///< place += eps; else place = eps.
  bool is_weight = false;    ///< Counts in ||eps|| / ||Q(w)||.
  bool is_adaptive = false;  ///< kAsaq: radius |value| + eta; otherwise 1.
};

/// float64 scalars on the targets' device.
struct Perturbation {
  torch::Tensor grad_norm;    ///< ||g||
  torch::Tensor weight_norm;  ///< ||eps|| over weights.
};

/// The radius of a step: rho, or a share of `size`, ||Q(w)|| (float64 scalar on the targets'
/// device).
struct Radius {
  double factor = 0;
  torch::Tensor size;  ///< Undefined: the factor is the radius.
};
Radius radius_of(const SharpnessOptions& options, const torch::Tensor& size);

/// Writes eps = rho * g / (||g|| + 1e-12) with one norm over all targets; for kAsaq, with T =
/// |value| + eta (1 where not adaptive), eps = rho * T^2 g / (||T g|| + 1e-12). Norms are summed in
/// double: one pass over memory for all of them, one that writes. No host synchronization on a GPU.
Perturbation ascend(const std::vector<Target>& targets, const SharpnessOptions& options,
                    const Radius& rho);

/// One L2 norm over all tensors, summed in double: a float64 scalar, 0 for none.
torch::Tensor global_norm(const std::vector<torch::Tensor>& tensors);

/// Sum of all products of elements, float64 scalar; both lists have equal shapes and are not empty.
torch::Tensor dot(const std::vector<torch::Tensor>& a, const std::vector<torch::Tensor>& b);

}  // namespace flatenn::train
