#include "flatenn/train/sam.h"

#include <ATen/Functions.h>

#include <utility>
#include <vector>

#include "flatenn/base/error.h"
#include "train/perturbation.h"

namespace flatenn::train {
namespace {

/// Of a squared gradient norm: keeps GSAM's projection finite where the gradient vanishes.
constexpr double kLeastSquare = 1e-30;

bool is_perturbed(ParameterRole role, const SharpnessOptions& options) {
  switch (role) {
    case ParameterRole::kWeight:
      return options.method == SharpnessMethod::kSam;
    case ParameterRole::kBias:
      return options.perturb_biases;
    case ParameterRole::kBatchNorm:
      return options.perturb_batch_norm;
    case ParameterRole::kActivationScale:
      return options.perturb_activation_scales;
    case ParameterRole::kWeightScale:
      return false;
  }
  FLATENN_ASSERT(false, "parameter role ", static_cast<int>(role));
}

bool is_at_output(SharpnessMethod method) {
  return method == SharpnessMethod::kSaq || method == SharpnessMethod::kAsaq;
}

/// ASAM scales weights and batch norm's factors by their size; biases and shifts by 1.
bool is_factor(const RoleParameter& parameter) {
  static const std::string kEnd = ".gamma";
  const std::string& name = parameter.name;
  return name.size() > kEnd.size() &&
         name.compare(name.size() - kEnd.size(), kEnd.size(), kEnd) == 0;
}

/// The two passes' changes to a model; the destructor takes back whatever is still in place, so a
/// pass that throws leaves the model as it was.
///
/// Perturbations at the quantizers' outputs are leaves that the layers add to Q(w): zero in the
/// first pass, where their gradient is dL/dQ(w), and eps in the second.
class StepScope {
 public:
  StepScope(nn::ModelImpl& model, std::vector<torch::Tensor>& leaves, bool at_output)
      : model_(model), leaves_(leaves) {
    for (const auto& layer : model.layers()) layer->keep_quantized_weight = true;
    if (at_output) attach_leaves();
  }
  StepScope(const StepScope&) = delete;
  StepScope& operator=(const StepScope&) = delete;

  ~StepScope() {
    restore();
    for (const auto& layer : model_.layers()) {
      layer->perturbation = torch::Tensor();
      layer->quantized_weight = torch::Tensor();
      layer->keep_quantized_weight = false;
    }
  }

  /// Remembers a parameter that is about to move.
  void keep(const torch::Tensor& parameter) {
    saved_.emplace_back(parameter, parameter.detach().clone());
  }
  void begin_second_pass() { model_.set_track_statistics(false); }
  /// Puts every moved parameter back exactly.
  void restore() {
    const torch::NoGradGuard no_grad;
    for (auto& [value, old] : saved_) value.copy_(old);
    saved_.clear();
    model_.set_track_statistics(true);
  }

 private:
  void attach_leaves() {
    const torch::NoGradGuard no_grad;
    leaves_.resize(model_.layers().size());
    std::vector<torch::Tensor> zeros;
    for (size_t i = 0; i < leaves_.size(); ++i) {
      nn::QuantLayerImpl& layer = *model_.layers()[i];
      torch::Tensor& leaf = leaves_[i];
      if (!leaf.defined() || leaf.device() != layer.weight.device())
        leaf = torch::zeros_like(layer.weight).set_requires_grad(true);
      zeros.push_back(leaf);
      if (leaf.grad().defined()) zeros.push_back(leaf.grad());
      layer.perturbation = leaf;
    }
    at::_foreach_zero_(zeros);
  }

  nn::ModelImpl& model_;
  std::vector<torch::Tensor>& leaves_;
  std::vector<std::pair<torch::Tensor, torch::Tensor>> saved_;  ///< Parameter, its value.
};

/// Batch norm's running statistics stay while it lives.
class StillStatistics {
 public:
  explicit StillStatistics(nn::ModelImpl& model) : model_(model) {
    model_.set_track_statistics(false);
  }
  ~StillStatistics() { model_.set_track_statistics(true); }
  StillStatistics(const StillStatistics&) = delete;
  StillStatistics& operator=(const StillStatistics&) = delete;

 private:
  nn::ModelImpl& model_;
};

}  // namespace

struct SharpnessStepper::Impl {
  nn::Model model;
  Optimizer& optimizer;
  std::vector<torch::Tensor> leaves;  ///< One for each layer, kept between steps.

  /// What a step perturbs: the outputs of the quantizers through their leaves, and parameters.
  std::vector<Target> targets(const SharpnessOptions& options, StepScope& scope) const {
    std::vector<Target> found;
    if (is_at_output(options.method)) {
      for (size_t i = 0; i < leaves.size(); ++i) {
        found.push_back({.value = model->layers()[i]->quantized_weight,
                         .grad = leaves[i].grad(),
                         .place = leaves[i].detach(),
                         .is_weight = true,
                         .is_adaptive = true});
      }
    }
    for (const RoleParameter& parameter : optimizer.parameters()) {
      if (!is_perturbed(parameter.role, options) || !parameter.value.grad().defined()) continue;
      scope.keep(parameter.value);
      const torch::Tensor value = parameter.value.detach();
      found.push_back({.value = value,
                       .grad = parameter.value.grad(),
                       .place = value,
                       .add = true,
                       .is_weight = parameter.role == ParameterRole::kWeight,
                       .is_adaptive = is_factor(parameter)});
    }
    return found;
  }

  void perturb(const SharpnessOptions& options, StepScope& scope, StepResult& result) {
    const torch::NoGradGuard no_grad;
    std::vector<torch::Tensor> weights;
    for (const auto& layer : model->layers()) weights.push_back(layer->quantized_weight);
    const torch::Tensor size = global_norm(weights);
    const Perturbation perturbation =
        ascend(targets(options, scope), options, radius_of(options, size));
    result.grad_norm = perturbation.grad_norm;
    result.rho_relative = perturbation.weight_norm / size;
  }

  std::vector<torch::Tensor> gradients() const {
    std::vector<torch::Tensor> grads;
    for (const RoleParameter& parameter : optimizer.parameters())
      if (parameter.value.grad().defined()) grads.push_back(parameter.value.grad());
    return grads;
  }

  /// What GSAM keeps of the first pass.
  void keep_gradients(std::vector<torch::Tensor>& clean) const {
    for (const torch::Tensor& grad : gradients()) clean.push_back(grad.clone());
  }

  /// grad -= gap * (clean - <clean, grad> / <grad, grad> * grad), one product over all parameters.
  void descend_gap(const std::vector<torch::Tensor>& clean, double gap) const {
    const torch::NoGradGuard no_grad;
    const std::vector<torch::Tensor> grads = gradients();
    FLATENN_ASSERT(clean.size() == grads.size(), "passes with gradients of other parameters");
    const torch::Tensor along = dot(clean, grads) / dot(grads, grads).clamp_min(kLeastSquare);
    const torch::Tensor own = (1 + gap * along).to(torch::kFloat32);
    for (size_t i = 0; i < grads.size(); ++i) {
      torch::Tensor grad = grads[i];
      grad.mul_(own).sub_(clean[i], gap);
    }
  }

  /// grad = (1 - share) * grad + share * (gradient of a pass with faults).
  void add_faulty(const PassFunction& pass, double share) {
    if (share < 1) {
      scale_gradients((1 - share) / share);
    } else {
      optimizer.zero_grad();
    }
    const StillStatistics still(*model);
    pass(Pass::kFaulty);
    scale_gradients(share);
  }

  void scale_gradients(double factor) const {
    if (factor == 1) return;
    const torch::NoGradGuard no_grad;
    for (torch::Tensor grad : gradients()) grad.mul_(factor);
  }

  std::vector<torch::Tensor> weight_gradients() const {
    std::vector<torch::Tensor> grads;
    for (const RoleParameter& parameter : optimizer.parameters())
      if (parameter.role == ParameterRole::kWeight && parameter.value.grad().defined())
        grads.push_back(parameter.value.grad());
    return grads;
  }
};

SharpnessMethod parse_sharpness_method(const std::string& name) {
  if (name == "sgd") return SharpnessMethod::kSgd;
  if (name == "sam") return SharpnessMethod::kSam;
  if (name == "saq") return SharpnessMethod::kSaq;
  if (name == "asaq") return SharpnessMethod::kAsaq;
  throw Error("sharpness method: expected sgd, sam, saq or asaq, got \"" + name + "\"");
}

std::string to_string(SharpnessMethod method) {
  switch (method) {
    case SharpnessMethod::kSgd:
      return "sgd";
    case SharpnessMethod::kSam:
      return "sam";
    case SharpnessMethod::kSaq:
      return "saq";
    case SharpnessMethod::kAsaq:
      return "asaq";
  }
  FLATENN_ASSERT(false, "sharpness method ", static_cast<int>(method));
}

SharpnessStepper::SharpnessStepper(nn::Model model, Optimizer& optimizer,
                                   const SharpnessOptions& options)
    : options_(options), impl_(new Impl{std::move(model), optimizer, {}}) {
  FLATENN_CHECK(options.rho >= 0, "sharpness: rho must be >= 0, got ", options.rho);
  FLATENN_CHECK(options.rho_relative.value_or(0) >= 0, "sharpness: rho_relative must be >= 0, got ",
                *options.rho_relative);
  FLATENN_CHECK(options.eta >= 0, "sharpness: eta must be >= 0, got ", options.eta);
  FLATENN_CHECK(options.gap >= 0, "sharpness: gap must be >= 0, got ", options.gap);
}

SharpnessStepper::~SharpnessStepper() = default;

StepResult SharpnessStepper::step(const PassFunction& pass, double faulty_share) {
  FLATENN_CHECK(faulty_share >= 0 && faulty_share <= 1,
                "sharpness: faulty_share must be in [0, 1], got ", faulty_share);
  StepResult result;
  impl_->optimizer.zero_grad();
  if (options_.method == SharpnessMethod::kSgd) {
    result.loss = pass(Pass::kFirst);
    const torch::NoGradGuard no_grad;
    result.grad_norm = global_norm(impl_->weight_gradients());
    result.rho_relative = torch::zeros_like(result.grad_norm);
  } else {
    StepScope scope(*impl_->model, impl_->leaves, is_at_output(options_.method));
    result.loss = pass(Pass::kFirst);
    impl_->perturb(options_, scope, result);
    std::vector<torch::Tensor> clean;
    if (options_.gap > 0) impl_->keep_gradients(clean);
    impl_->optimizer.zero_grad();
    scope.begin_second_pass();
    pass(Pass::kSecond);
    if (options_.gap > 0) impl_->descend_gap(clean, options_.gap);
  }
  if (faulty_share > 0) impl_->add_faulty(pass, faulty_share);
  impl_->optimizer.step();
  return result;
}

}  // namespace flatenn::train
