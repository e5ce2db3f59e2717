#include "train/ema.h"

#include "flatenn/base/error.h"

namespace flatenn::train {

ExponentialAverage::ExponentialAverage(nn::Model model, double decay)
    : model_(std::move(model)), decay_(decay) {
  FLATENN_CHECK(decay > 0 && decay < 1, "ExponentialAverage: decay must be in (0, 1), got ", decay);
  for (const auto& [name, value] : nn::named_state(*model_)) {
    if (value.is_floating_point()) averages_[name] = value.detach().clone();
  }
}

void ExponentialAverage::update() {
  const torch::NoGradGuard no_grad;
  for (const auto& [name, value] : nn::named_state(*model_)) {
    if (value.is_floating_point()) averages_.at(name).lerp_(value, 1 - decay_);
  }
}

void ExponentialAverage::swap() {
  const torch::NoGradGuard no_grad;
  for (auto& [name, value] : nn::named_state(*model_)) {
    if (!value.is_floating_point()) continue;
    const torch::Tensor kept = value.clone();
    value.copy_(averages_.at(name));
    averages_.at(name).copy_(kept);
  }
}

void ExponentialAverage::load_state(const std::map<std::string, torch::Tensor>& state) {
  const torch::NoGradGuard no_grad;
  for (auto& [name, average] : averages_) {
    const auto found = state.find(name);
    FLATENN_CHECK(found != state.end() && found->second.sizes() == average.sizes(),
                  "averaged weights: '", name, "' is missing or has another shape");
    average.copy_(found->second);
  }
}

}  // namespace flatenn::train
