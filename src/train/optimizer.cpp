#include "flatenn/train/optimizer.h"

#include <ATen/Functions.h>

#include "flatenn/base/error.h"
#include "train/update_kernels.h"
#ifdef FLATENN_CUDA
#include "train/device_sgd.h"
#endif

namespace flatenn::train {
namespace {

void check_options(const OptimizerOptions& options) {
  const auto check = [](bool fine, const char* name, const char* range, double got) {
    FLATENN_CHECK(fine, "optimizer: ", name, " must be ", range, ", got ", got);
  };
  const auto is_share = [](double x) { return x >= 0 && x < 1; };
  check(options.learning_rate >= 0, "learning_rate", ">= 0", options.learning_rate);
  check(is_share(options.momentum), "momentum", "in [0, 1)", options.momentum);
  check(is_share(options.beta1), "beta1", "in [0, 1)", options.beta1);
  check(is_share(options.beta2), "beta2", "in [0, 1)", options.beta2);
  check(options.epsilon > 0, "epsilon", "> 0", options.epsilon);
  check(options.weight_decay >= 0, "weight_decay", ">= 0", options.weight_decay);
  check(options.clip_norm >= 0, "clip_norm", ">= 0", options.clip_norm);
  check(options.scale_learning_rate >= 0, "scale_learning_rate", ">= 0",
        options.scale_learning_rate);
  FLATENN_CHECK(!options.nesterov || options.momentum > 0,
                "optimizer: nesterov needs a momentum above 0");
}

bool is_scale(ParameterRole role) {
  return role == ParameterRole::kWeightScale || role == ParameterRole::kActivationScale;
}

double decay_of(ParameterRole role, const OptimizerOptions& options) {
  const bool decays = role == ParameterRole::kWeight ||
                      (role == ParameterRole::kBias && options.decay_biases) ||
                      (role == ParameterRole::kBatchNorm && options.decay_batch_norm);
  return decays ? options.weight_decay : 0;
}

/// What all kinds share: parameters, learning rate, saving.
class BaseOptimizer : public Optimizer {
 public:
  BaseOptimizer(const nn::ModelImpl& model, const OptimizerOptions& options)
      : options_(options), parameters_(role_parameters(model)), rate_(options.learning_rate) {}

  void set_learning_rate(double learning_rate) override { rate_ = learning_rate; }
  double learning_rate() const override { return rate_; }
  const std::vector<RoleParameter>& parameters() const override { return parameters_; }

  void zero_grad() override {
    const torch::NoGradGuard no_grad;
    std::vector<torch::Tensor> grads;
    for (const RoleParameter& parameter : parameters_)
      if (parameter.value.grad().defined()) grads.push_back(parameter.value.grad());
    if (!grads.empty()) at::_foreach_zero_(grads);
  }

  void step() override {
    const torch::NoGradGuard no_grad;
    ++count_;
    clip_gradients();
    for (size_t i = 0; i < parameters_.size(); ++i) {
      RoleParameter& parameter = parameters_[i];
      if (!parameter.value.grad().defined()) continue;
      const double factor = is_scale(parameter.role) ? options_.scale_learning_rate : 1;
      update(i, parameter.value, parameter.value.grad(), rate_ * factor,
             decay_of(parameter.role, options_));
    }
  }

  void save(torch::serialize::OutputArchive& archive) const override {
    archive.write("count", torch::full({1}, count_, torch::kInt64), /*is_buffer=*/true);
    for (size_t slot = 0; slot < states_.size(); ++slot)
      for (size_t i = 0; i < parameters_.size(); ++i)
        if (states_[slot][i].defined()) archive.write(key(slot, i), states_[slot][i], true);
  }

  void load(torch::serialize::InputArchive& archive) override {
    torch::Tensor count;
    FLATENN_CHECK(archive.try_read("count", count, true), "optimizer state: no step count");
    count_ = count.item<int64_t>();
    for (size_t slot = 0; slot < states_.size(); ++slot)
      for (size_t i = 0; i < parameters_.size(); ++i) {
        torch::Tensor state;
        if (!archive.try_read(key(slot, i), state, true)) continue;
        FLATENN_CHECK(state.sizes() == parameters_[i].value.sizes(), "optimizer state of ",
                      parameters_[i].name, ": expected shape ", parameters_[i].value.sizes(),
                      ", got ", state.sizes());
        states_[slot][i] = state.to(parameters_[i].value.device(), state.scalar_type(),
                                    /*non_blocking=*/false, /*copy=*/true);
      }
  }

 protected:
  virtual void update(size_t i, torch::Tensor& value, const torch::Tensor& grad, double rate,
                      double decay) = 0;

  /// As torch.nn.utils.clip_grad_norm_ has it; nothing leaves the device.
  void clip_gradients() {
    if (options_.clip_norm == 0) return;
    std::vector<torch::Tensor> gradients;
    std::vector<torch::Tensor> norms;
    for (const RoleParameter& parameter : parameters_) {
      if (!parameter.value.grad().defined()) continue;
      gradients.push_back(parameter.value.grad());
      norms.push_back(gradients.back().norm());
    }
    if (gradients.empty()) return;
    const torch::Tensor norm = torch::stack(norms).norm();
    const torch::Tensor factor = (options_.clip_norm / (norm + 1e-6)).clamp_max(1);
    for (torch::Tensor& gradient : gradients) gradient.mul_(factor);
  }

  void add_state_slots(size_t slots) {
    states_.assign(slots, std::vector<torch::Tensor>(parameters_.size()));
  }
  torch::Tensor& state(size_t slot, size_t i) {
    if (!states_[slot][i].defined())
      states_[slot][i] = torch::zeros_like(parameters_[i].value, torch::MemoryFormat::Preserve);
    return states_[slot][i];
  }

  OptimizerOptions options_;
  int64_t count_ = 0;

 private:
  static std::string key(size_t slot, size_t i) {
    return "state" + std::to_string(slot) + "_" + std::to_string(i);
  }

  std::vector<RoleParameter> parameters_;
  std::vector<std::vector<torch::Tensor>> states_;  ///< [slot][parameter]
  double rate_;
};

class Sgd : public BaseOptimizer {
 public:
  Sgd(const nn::ModelImpl& model, const OptimizerOptions& options) : BaseOptimizer(model, options) {
    add_state_slots(options.momentum > 0 ? 1 : 0);
  }

 private:
  void update(size_t i, torch::Tensor& value, const torch::Tensor& grad, double rate,
              double decay) override {
    torch::Tensor none;
    sgd_update(value, grad, options_.momentum > 0 ? state(0, i) : none,
               {rate, options_.momentum, decay, options_.nesterov});
  }
};

#ifdef FLATENN_CUDA
/// Sgd on a CUDA device, with the same state.
class CudaSgd : public BaseOptimizer {
 public:
  CudaSgd(const nn::ModelImpl& model, const OptimizerOptions& options)
      : BaseOptimizer(model, options), update_(options, parameters().front().value.device()) {
    add_state_slots(options.momentum > 0 ? 1 : 0);
  }

  void set_learning_rate(double learning_rate) override {
    BaseOptimizer::set_learning_rate(learning_rate);
    update_.set_learning_rate(learning_rate);
  }
  bool recordable() const override { return true; }

  void step() override {
    const torch::NoGradGuard no_grad;
    ++count_;
    clip_gradients();
    std::vector<DeviceSgd::Part> parts;
    for (size_t i = 0; i < parameters().size(); ++i) {
      const RoleParameter& parameter = parameters()[i];
      parts.push_back(
          {.value = parameter.value,
           .velocity = options_.momentum > 0 ? state(0, i) : torch::Tensor(),
           .decay = decay_of(parameter.role, options_),
           .rate_factor = is_scale(parameter.role) ? options_.scale_learning_rate : 1.0});
    }
    update_.step(parts);
  }

 private:
  void update(size_t, torch::Tensor&, const torch::Tensor&, double, double) override {}

  DeviceSgd update_;
};
#endif

class Adam : public BaseOptimizer {
 public:
  Adam(const nn::ModelImpl& model, const OptimizerOptions& options)
      : BaseOptimizer(model, options) {
    add_state_slots(2);
  }

 private:
  void update(size_t i, torch::Tensor& value, const torch::Tensor& grad, double rate,
              double decay) override {
    adam_update(value, grad, state(0, i), state(1, i),
                {rate, options_.beta1, options_.beta2, options_.epsilon, decay,
                 options_.kind == OptimizerKind::kAdamW, count_});
  }
};

}  // namespace

OptimizerKind parse_optimizer(const std::string& name) {
  if (name == "sgd") return OptimizerKind::kSgd;
  if (name == "adam") return OptimizerKind::kAdam;
  if (name == "adamw") return OptimizerKind::kAdamW;
  throw Error("optimizer: expected sgd, adam or adamw, got \"" + name + "\"");
}

std::string to_string(OptimizerKind kind) {
  switch (kind) {
    case OptimizerKind::kSgd:
      return "sgd";
    case OptimizerKind::kAdam:
      return "adam";
    case OptimizerKind::kAdamW:
      return "adamw";
  }
  FLATENN_ASSERT(false, "optimizer kind ", static_cast<int>(kind));
}

std::vector<RoleParameter> role_parameters(const nn::ModelImpl& model) {
  std::vector<RoleParameter> found;
  const auto add = [&](const std::string& name, const torch::Tensor& value, ParameterRole role) {
    if (value.defined()) found.push_back({name, value, role});
  };
  for (const auto& layer : model.layers()) {
    const std::string& name = layer->spec().name;
    add(name + ".weight", layer->weight, ParameterRole::kWeight);
    add(name + ".bias", layer->bias, ParameterRole::kBias);
    add(name + ".gamma", layer->gamma, ParameterRole::kBatchNorm);
    add(name + ".beta", layer->beta, ParameterRole::kBatchNorm);
    if (layer->quantized())
      add(name + ".quantizer.log_scale", layer->quantizer->log_scale, ParameterRole::kWeightScale);
  }
  for (const nn::LayerSpec& spec : model.graph()) {
    const size_t at = static_cast<size_t>(spec.dst);
    if (at >= model.quantizers().size() || !model.quantizers()[at]) continue;
    add(spec.name + "_out.log_scale", model.quantizers()[at]->log_scale,
        ParameterRole::kActivationScale);
  }
  return found;
}

std::unique_ptr<Optimizer> make_optimizer(const nn::ModelImpl& model,
                                          const OptimizerOptions& options) {
  check_options(options);
  const bool sgd = options.kind == OptimizerKind::kSgd;
#ifdef FLATENN_CUDA
  if (sgd && model.layers().front()->weight.is_cuda())
    return std::make_unique<CudaSgd>(model, options);
#endif
  if (sgd) return std::make_unique<Sgd>(model, options);
  return std::make_unique<Adam>(model, options);
}

}  // namespace flatenn::train
