#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "flatenn/nn/model.h"
#include "flatenn/train/optimizer.h"

namespace flatenn::train {

/// How a step finds its gradient. docs/saq.md has the formulas.
enum class SharpnessMethod {
  kSgd,   ///< One pass: the base optimizer alone.
  kSam,   ///< Perturbs latent weights, then quantizes (arXiv:2010.01412).
  kSaq,   ///< Perturbs the quantizer's output (arXiv:2111.12273).
  kAsaq,  ///< kSaq with ASAM's element-wise radius (arXiv:2102.11600).
};

/// "sgd", "sam", "saq", "asaq".
SharpnessMethod parse_sharpness_method(const std::string& name);
std::string to_string(SharpnessMethod method);

struct SharpnessOptions {
  SharpnessMethod method = SharpnessMethod::kSgd;
  double rho = 0.1;  ///< Radius, >= 0.
  /// The radius as a share of ||Q(w)|| over all weights, taken anew in each step, >= 0; where it is
  /// given, in place of rho.
  std::optional<double> rho_relative;
  double eta = 0.01;  ///< Of kAsaq: floor of the element-wise radius, >= 0.
  /// GSAM's alpha, >= 0: the step's gradient loses alpha times the part of the first pass's
  /// gradient that is orthogonal to it, which lowers the gap between the two losses
  /// (arXiv:2203.08065, algorithm 1); 0: none.
  double gap = 0;
  /// What is perturbed besides weights; the norm covers all of it together.
  bool perturb_biases = false;
  bool perturb_batch_norm = false;
  bool perturb_activation_scales = false;
};

/// Which of a step's passes a PassFunction is called for.
enum class Pass {
  kFirst,   ///< At the weights themselves; metrics belong here.
  kSecond,  ///< At the perturbed weights.
  kFaulty,  ///< At weights with the faults of this step alone.
};

/// Computes the objective (task loss and sparsity term, no weight decay) of one batch, calls
/// backward() on it, and returns it detached. May call backward() on several parts of a batch.
using PassFunction = std::function<torch::Tensor(Pass pass)>;

/// Scalars on the model's device; reading one waits for it.
struct StepResult {
  torch::Tensor loss;          ///< Objective of the first pass.
  torch::Tensor grad_norm;     ///< ||g|| of the first pass, over what is (or would be) perturbed.
  torch::Tensor rho_relative;  ///< ||eps|| / ||Q(w)|| over weights; 0 for kSgd.
};

/// One training step: zeroes gradients, runs one or two passes, perturbs and restores, updates.
///
///     auto optimizer = make_optimizer(*model, {.learning_rate = 0.05});
///     SharpnessStepper stepper(model, *optimizer, {.method = SharpnessMethod::kSaq, .rho = 0.1});
///     const StepResult result = stepper.step([&](Pass) {
///       const auto loss = torch::cross_entropy_loss(model->forward(images), labels);
///       loss.backward();
///       return loss.detach();
///     });
///
/// Running statistics of batch norm move in the first pass only. With a radius of 0 (and gap = 0)
/// both passes run and the step equals kSgd's bit for bit. A step changes parameters by the
/// optimizer's update alone.
class SharpnessStepper {
 public:
  /// Keeps references to model and optimizer. Throws Error where an option is out of range.
  SharpnessStepper(nn::Model model, Optimizer& optimizer, const SharpnessOptions& options);
  ~SharpnessStepper();

  /// With faulty_share > 0, in (0, 1], a further pass kFaulty runs at the unperturbed weights (the
  /// PassFunction makes them faulty), and the update's gradient is (1 - faulty_share) times the
  /// method's plus faulty_share times that pass's. If a pass throws, parameters are restored and
  /// the exception goes on.
  StepResult step(const PassFunction& pass, double faulty_share = 0);
  const SharpnessOptions& options() const { return options_; }

 private:
  struct Impl;
  SharpnessOptions options_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatenn::train
