#include "flatenn/nn/sparsity.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "flatenn/base/error.h"

namespace flatenn::nn {
namespace {

/// Keeps the Hoyer-square measure finite for a layer or channel of zeros.
constexpr double kTiny = 1e-12;

/// Dimensions over which one group sums.
std::vector<int64_t> group_dimensions(const torch::Tensor& x, SparsityGrouping grouping) {
  if (grouping == SparsityGrouping::kChannels && x.dim() == 4) return {0, 2, 3};
  std::vector<int64_t> all(static_cast<size_t>(x.dim()));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

/// mean |x| in float32. One pass over x forward and two backward, all in x's own type; |x| and the
/// mean's gradient as tensors of their own would be twice the traffic.
class MeanMagnitude : public torch::autograd::Function<MeanMagnitude> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x) {
    context->save_for_backward({x});
    // On the CPU LibTorch adds a norm's terms one after the other, a mean's in a cascade.
    if (x.is_cpu()) return x.abs().mean(torch::kFloat32);
    return at::linalg_vector_norm(x, 1, /*dim=*/at::OptionalIntArrayRef(), /*keepdim=*/false,
                                  torch::kFloat32) /
           x.numel();
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context,
                                               const torch::autograd::tensor_list& grads) {
    const torch::Tensor x = context->get_saved_variables()[0];
    return {x.sgn().mul_(grads[0] / x.numel())};
  }
};

torch::Tensor layer_penalty(const torch::Tensor& x, SparsityPenalty penalty,
                            SparsityGrouping grouping) {
  if (penalty == SparsityPenalty::kL1) return MeanMagnitude::apply(x);
  const std::vector<int64_t> over = group_dimensions(x, grouping);
  const torch::Tensor sum = x.abs().sum(over, /*keepdim=*/false, torch::kFloat32);
  const torch::Tensor squares = (x * x).sum(over, /*keepdim=*/false, torch::kFloat32);
  return (sum * sum / (squares + kTiny)).sum() / static_cast<double>(x.numel());
}

}  // namespace

SparsityPenalty parse_sparsity_penalty(const std::string& name) {
  if (name == "none") return SparsityPenalty::kNone;
  if (name == "l1") return SparsityPenalty::kL1;
  if (name == "hoyer_square") return SparsityPenalty::kHoyerSquare;
  throw Error("sparsity penalty: expected none, l1 or hoyer_square, got \"" + name + "\"");
}

std::string to_string(SparsityPenalty penalty) {
  switch (penalty) {
    case SparsityPenalty::kNone:
      return "none";
    case SparsityPenalty::kL1:
      return "l1";
    case SparsityPenalty::kHoyerSquare:
      return "hoyer_square";
  }
  FLATENN_ASSERT(false, "sparsity penalty ", static_cast<int>(penalty));
}

SparsityWeighting parse_sparsity_weighting(const std::string& name) {
  if (name == "layers") return SparsityWeighting::kLayers;
  if (name == "macs") return SparsityWeighting::kMacs;
  throw Error("sparsity weighting: expected layers or macs, got \"" + name + "\"");
}

std::string to_string(SparsityWeighting weighting) {
  return weighting == SparsityWeighting::kMacs ? "macs" : "layers";
}

SparsityGrouping parse_sparsity_grouping(const std::string& name) {
  if (name == "layers") return SparsityGrouping::kLayers;
  if (name == "channels") return SparsityGrouping::kChannels;
  throw Error("sparsity grouping: expected layers or channels, got \"" + name + "\"");
}

std::string to_string(SparsityGrouping grouping) {
  return grouping == SparsityGrouping::kChannels ? "channels" : "layers";
}

torch::Tensor sparsity_penalty(const ModelImpl& model, SparsityPenalty penalty,
                               SparsityWeighting weighting, SparsityGrouping grouping) {
  if (penalty == SparsityPenalty::kNone) return {};
  const std::vector<LayerInput>& inputs = model.layer_inputs();
  FLATENN_CHECK(!inputs.empty(),
                "sparsity_penalty: the model recorded nothing; call "
                "set_recording(true) before the forward pass");
  torch::Tensor total;
  double weights = 0;
  for (const LayerInput& input : inputs) {
    const double weight = weighting == SparsityWeighting::kMacs
                              ? static_cast<double>(model.macs()[static_cast<size_t>(input.layer)])
                              : 1;
    const torch::Tensor term = layer_penalty(input.values, penalty, grouping) * weight;
    total = total.defined() ? total + term : term;
    weights += weight;
  }
  return total / weights;
}

void SparsityMeter::add(const ModelImpl& model) {
  const torch::NoGradGuard no_grad;
  const std::vector<LayerInput>& inputs = model.layer_inputs();
  const size_t layers = model.layers().size();
  zeros_.resize(layers);
  elements_.resize(layers);
  for (const LayerInput& input : inputs) {
    const auto at = static_cast<size_t>(input.layer);
    const torch::Tensor zeros = input.values.numel() - at::count_nonzero(input.values.detach());
    if (!zeros_[at].defined()) zeros_[at] = torch::zeros_like(zeros);
    zeros_[at].add_(zeros);
    elements_[at] += input.values.numel();
  }
}

SparsityReport SparsityMeter::report(const ModelImpl& model) const {
  SparsityReport report;
  double weighted = 0;
  double weight = 0;
  for (size_t i = 0; i < elements_.size(); ++i) {
    if (elements_[i] == 0) continue;
    const double share = zeros_[i].item<double>() / static_cast<double>(elements_[i]);
    report.layers[model.layers()[i]->spec().name] = share;
    weighted += share * static_cast<double>(model.macs()[i]);
    weight += static_cast<double>(model.macs()[i]);
  }
  if (weight > 0) report.network = weighted / weight;
  return report;
}

void SparsityMeter::reset() {
  const torch::NoGradGuard no_grad;
  for (torch::Tensor& zeros : zeros_)
    if (zeros.defined()) zeros.zero_();
  std::fill(elements_.begin(), elements_.end(), 0);
}

SparsityController::SparsityController(const SparsityControllerOptions& options)
    : options_(options), strength_(options.initial_strength) {
  FLATENN_CHECK(options.target > 0 && options.target < 1,
                "sparsity controller: target must be in (0, 1), got ", options.target);
  FLATENN_CHECK(options.initial_strength > 0,
                "sparsity controller: initial strength must be positive, got ",
                options.initial_strength);
}

void SparsityController::update(double measured) {
  if (!std::isfinite(measured)) return;
  const double error = options_.target - measured;
  const double change = options_.gain * (error + options_.damping * (error - last_error_));
  strength_ = std::clamp(strength_ * std::exp(change), options_.minimum, options_.maximum);
  last_error_ = error;
}

std::vector<double> SparsityController::state() const { return {strength_, last_error_}; }

void SparsityController::load_state(const std::vector<double>& state) {
  FLATENN_CHECK(state.size() == 2, "sparsity controller: expected a state of 2 numbers, got ",
                state.size());
  strength_ = state[0];
  last_error_ = state[1];
}

}  // namespace flatenn::nn
