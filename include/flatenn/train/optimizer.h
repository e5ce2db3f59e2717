#pragma once

#include <torch/serialize/archive.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "flatenn/nn/model.h"

namespace flatenn::train {

enum class OptimizerKind { kSgd, kAdam, kAdamW };

/// "sgd", "adam", "adamw".
OptimizerKind parse_optimizer(const std::string& name);
std::string to_string(OptimizerKind kind);

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::kSgd;
  double learning_rate = 0.05;
  double momentum = 0.9;  ///< Of SGD, in [0, 1).
  bool nesterov = false;
  double beta1 = 0.9;  ///< Of Adam.
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;           ///< Of weights; for kAdamW decoupled from the gradient.
  bool decay_biases = false;         ///< Weight decay on biases too.
  bool decay_batch_norm = false;     ///< Weight decay on batch norm's parameters too.
  double clip_norm = 0;              ///< Largest Euclidean norm of all gradients together; 0: any.
  double scale_learning_rate = 1.0;  ///< Of quantizer scales (log domain), times learning_rate.
};

/// What a parameter is, which decides its weight decay, learning rate and perturbation.
enum class ParameterRole { kWeight, kBias, kBatchNorm, kWeightScale, kActivationScale };

struct RoleParameter {
  std::string name;
  torch::Tensor value;
  ParameterRole role = ParameterRole::kWeight;
};
/// Every parameter of the model with its role, in a fixed order.
std::vector<RoleParameter> role_parameters(const nn::ModelImpl& model);

/// Updates a model's parameters from their gradients. Quantizer scales never decay.
///
/// SGD as LibTorch has it: d = g + decay * w; m = momentum * m + d (m = d at first); w -= lr * m,
/// or lr * (d + momentum * m) with nesterov. Adam and AdamW likewise. All parameters are updated in
/// one pass over each. Parameters without gradient are left alone.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// Learning rate of the next steps; parameters with a factor of their own scale it.
  virtual void set_learning_rate(double learning_rate) = 0;
  virtual double learning_rate() const = 0;
  virtual void zero_grad() = 0;
  virtual void step() = 0;
  virtual const std::vector<RoleParameter>& parameters() const = 0;
  /// Whether a recorded step() follows set_learning_rate().
  virtual bool recordable() const { return false; }

  /// Momentum and step counts, for an exact resume.
  virtual void save(torch::serialize::OutputArchive& archive) const = 0;
  virtual void load(torch::serialize::InputArchive& archive) = 0;
};

/// Throws Error where an option is out of range.
std::unique_ptr<Optimizer> make_optimizer(const nn::ModelImpl& model,
                                          const OptimizerOptions& options);

}  // namespace flatenn::train
