#include "flatenn/nn/model.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"
#include "nn/bit_widths.h"
#include "nn/zoo.h"

namespace flatenn::nn {
namespace {

size_t index(int64_t i) { return static_cast<size_t>(i); }

int64_t multiply_accumulates(const LayerSpec& spec, const net::Shape& out) {
  const int64_t fan_in = spec.in_channels / spec.groups * spec.kernel * spec.kernel;
  return spec.kind == net::LayerKind::kLinear ? spec.in_channels * spec.out_channels
                                              : out.elements() * fan_in;
}

torch::Tensor max_pool(const torch::Tensor& x, const LayerSpec& spec) {
  return at::max_pool2d(x, {spec.kernel, spec.kernel}, {spec.stride, spec.stride},
                        {spec.pad, spec.pad});
}

/// For each layer the max pool that is the only reader of its output, or -1.
std::vector<int64_t> find_pools_after(const std::vector<LayerSpec>& graph) {
  std::vector<int64_t> pools(graph.size(), -1);
  for (size_t i = 0; i < graph.size(); ++i) {
    int64_t readers = 0;
    int64_t pool = -1;
    for (size_t j = 0; j < graph.size(); ++j) {
      if (graph[j].src != graph[i].dst && graph[j].skip != graph[i].dst) continue;
      ++readers;
      if (graph[j].kind == net::LayerKind::kMaxPool) pool = static_cast<int64_t>(j);
    }
    if (graph[i].multiplies() && graph[i].skip < 0 && readers == 1) pools[i] = pool;
  }
  return pools;
}

}  // namespace

ModelImpl::ModelImpl(const ModelOptions& options) : options_(options) {
  Graph built = build_graph(options);
  graph_ = std::move(built.layers);
  shapes_ = std::move(built.shapes);
  pool_after_ = find_pools_after(graph_);
  add_layers();
  if (options.quant.enabled) add_quantizers();
}

void ModelImpl::add_layers() {
  const QuantOptions& quant = options_.quant;
  const BitWidths widths = choose_bit_widths({graph_, shapes_}, quant);
  for (const LayerSpec& spec : graph_) {
    if (!spec.multiplies()) continue;
    const size_t at = layers_.size();
    const WeightQuantizerOptions weights{.kind = quant.quantizer,
                                         .bits = widths.weights[at],
                                         .per_channel = quant.per_channel,
                                         .tied_factor = quant.tied_factor};
    layers_.push_back(register_module(
        spec.name,
        std::make_shared<QuantLayerImpl>(spec, quant.enabled, weights, options_.seed, at)));
    macs_.push_back(multiply_accumulates(spec, shapes_[index(spec.dst)]));
  }
}

void ModelImpl::add_quantizers() {
  const BitWidths widths = choose_bit_widths({graph_, shapes_}, options_.quant);
  quantizers_.resize(shapes_.size());
  quantizers_[0] = register_module(
      "image", ActivationQuantizerImpl::fixed(widths.activations[0], options_.input_scale));
  for (const LayerSpec& spec : graph_) {
    const bool passes_codes = spec.kind == net::LayerKind::kMaxPool;
    if (passes_codes || &spec == &graph_.back()) continue;
    const bool is_signed = spec.multiplies() && !spec.relu;
    quantizers_[index(spec.dst)] = register_module(
        spec.name + "_out",
        std::make_shared<ActivationQuantizerImpl>(widths.activations[index(spec.dst)], is_signed,
                                                  is_signed ? 0 : options_.fatrelu));
  }
}

torch::Tensor ModelImpl::forward(const torch::Tensor& images) {
  return options_.quant.enabled && !is_training() ? evaluate(images) : run(images, false);
}

void ModelImpl::calibrate(const torch::Tensor& images) {
  const torch::NoGradGuard no_grad;
  const bool was_training = is_training();
  train();
  set_track_statistics(false);
  run(images, true);
  set_track_statistics(true);
  train(was_training);
}

bool ModelImpl::calibrated() const {
  return std::all_of(quantizers_.begin(), quantizers_.end(),
                     [](const auto& quantizer) { return !quantizer || quantizer->initialized(); });
}

torch::Tensor ModelImpl::run(const torch::Tensor& images, bool calibrating) {
  layer_inputs_.clear();
  std::vector<torch::Tensor> values(shapes_.size());
  values[0] = options_.quant.enabled ? quantizers_[0]->forward(images) : images;
  int64_t layer = 0;
  for (size_t i = 0; i < graph_.size(); ++i) {
    const LayerSpec& spec = graph_[i];
    if (values[index(spec.dst)].defined()) continue;  // a pool done together with its layer
    const torch::Tensor& x = values[index(spec.src)];
    if (!spec.multiplies()) {
      const bool average = spec.kind == net::LayerKind::kAvgPool;
      values[index(spec.dst)] =
          average
              ? activate(spec,
                         at::avg_pool2d(x, {spec.kernel, spec.kernel}, {spec.stride, spec.stride}),
                         calibrating)
              : max_pool(x, spec);
      continue;
    }
    if (spec.src != 0) record(layer, x);
    QuantLayerImpl& product = *layers_[index(layer++)];
    if (pool_after_[i] >= 0) {
      // Rounding and ReLU are monotone, so the pool may run first, on fewer elements afterwards.
      const LayerSpec& pool = graph_[index(pool_after_[i])];
      const bool fused = form_ == QuantizeForm::kFused && product.can_pool(pool, x);
      const torch::Tensor y =
          fused ? product.forward_pooled(x) : max_pool(product.forward(x), pool);
      values[index(pool.dst)] = activate(spec, y, calibrating);
      continue;
    }
    torch::Tensor y = product.forward(x);
    if (spec.skip >= 0) y = y + values[index(spec.skip)];
    values[index(spec.dst)] = activate(spec, y, calibrating);
  }
  return values[index(graph_.back().dst)].to(torch::kFloat32);
}

torch::Tensor ModelImpl::activate(const LayerSpec& spec, const torch::Tensor& y, bool calibrating) {
  if (!options_.quant.enabled) return spec.relu ? at::relu(y) : y;
  const auto& quantizer = quantizers_[index(spec.dst)];
  if (!quantizer) return y;
  if (calibrating && !quantizer->initialized()) quantizer->initialize(y);
  if (activation_hook_ && !calibrating) return quantizer->forward(activation_hook_(y, *quantizer));
  return quantizer->forward(y);
}

const ActivationQuantizerImpl& ModelImpl::quantizer_of(int64_t activation) const {
  for (const LayerSpec& spec : graph_)
    if (spec.dst == activation && spec.kind == net::LayerKind::kMaxPool)
      return quantizer_of(spec.src);
  FLATENN_ASSERT(index(activation) < quantizers_.size() && quantizers_[index(activation)],
                 "activation ", activation, " has no quantizer");
  return *quantizers_[index(activation)];
}

void ModelImpl::record(int64_t layer, const torch::Tensor& values) {
  if (recording_) layer_inputs_.push_back({layer, values});
}

void ModelImpl::set_recording(bool on) {
  recording_ = on;
  if (!on) layer_inputs_.clear();
}

void ModelImpl::set_track_statistics(bool on) {
  for (const auto& layer : layers_) layer->track_statistics = on;
}

void ModelImpl::use_channels_last() {
  for (const auto& layer : layers_) {
    if (layer->weight.dim() != 4) continue;
    layer->weight.set_data(layer->weight.contiguous(at::MemoryFormat::ChannelsLast));
  }
}

void ModelImpl::set_compute_type(torch::ScalarType type) {
  for (const auto& layer : layers_) layer->compute_type = type;
}

void ModelImpl::set_quantize_form(QuantizeForm form) {
  form_ = form;
  for (const auto& layer : layers_)
    if (layer->quantized()) layer->quantizer->set_form(form);
  for (const auto& quantizer : quantizers_)
    if (quantizer) quantizer->set_form(form);
}

}  // namespace flatenn::nn
