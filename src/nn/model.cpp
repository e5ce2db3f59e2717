#include "flatenn/nn/model.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"
#include "nn/bit_widths.h"
#include "nn/choices.h"
#include "nn/from_network.h"
#include "nn/index.h"
#include "nn/norm_quantize.h"
#include "nn/windows.h"
#include "nn/zoo/zoo.h"

namespace flatenn::nn {
ModelImpl::ModelImpl(const ModelOptions& options) : options_(options) {
  Graph built = options.network ? graph_of(*options.network) : build_graph(options);
  owners_ = code_owners(built);
  graph_ = std::move(built.layers);
  shapes_ = std::move(built.shapes);
  pool_after_ = pools_after(graph_);
  layer_of_.assign(graph_.size(), -1);
  constants_.resize(graph_.size());
  if (options.network) {
    options_.input = shapes_.front();
    options_.classes = options.network->classes();
    add_layers_of_network();
    add_quantizers_of_network();
  } else {
    add_layers();
    if (options.quant.enabled) add_quantizers();
  }
  add_constants();
  limit_codes();
}

void ModelImpl::add_layers() {
  const QuantOptions& quant = options_.quant;
  const BitWidths widths = choose_bit_widths({graph_, shapes_}, quant);
  for (size_t i = 0; i < graph_.size(); ++i) {
    const LayerSpec& spec = graph_[i];
    if (!spec.multiplies()) continue;
    const size_t at = layers_.size();
    const WeightQuantizerOptions weights{.kind = quant.quantizer,
                                         .bits = widths.weights[at],
                                         .per_channel = quant.per_channel,
                                         .tied_factor = quant.tied_factor};
    layer_of_[i] = static_cast<int64_t>(at);
    layers_.push_back(register_module(
        spec.name,
        std::make_shared<QuantLayerImpl>(spec, quant.enabled, weights, options_.seed, at)));
    macs_.push_back(multiply_accumulates(spec, shapes_[index(spec.dst)]));
  }
}

void ModelImpl::add_quantizers() {
  const BitWidths widths = choose_bit_widths({graph_, shapes_}, options_.quant);
  const std::vector<bool> are_signed = signed_codes({graph_, shapes_});
  quantizers_.resize(shapes_.size());
  quantizers_[0] = register_module(
      "image", ActivationQuantizerImpl::fixed(widths.activations[0], options_.input_scale));
  for (const LayerSpec& spec : graph_) {
    if (owners_[index(spec.dst)] != spec.dst || &spec == &graph_.back()) continue;
    const bool is_signed = are_signed[index(spec.dst)];
    quantizers_[index(spec.dst)] = register_module(
        spec.name + "_out",
        std::make_shared<ActivationQuantizerImpl>(widths.activations[index(spec.dst)], is_signed,
                                                  is_signed ? 0 : options_.fatrelu));
  }
}

void ModelImpl::add_constants() {
  for (size_t i = 0; i < graph_.size(); ++i) {
    const LayerSpec& spec = graph_[i];
    const auto keep = [&](const char* what, const torch::Tensor& value) {
      return register_buffer(module_name(spec.name + what), value);
    };
    if (spec.kind == net::LayerKind::kAvgPool && !spec.count_padding && pads(spec.window))
      constants_[i].counts = keep("_counts", window_counts(shapes_[index(spec.src)], spec.window));
    if (spec.kind == net::LayerKind::kMove)
      constants_[i].order = keep("_order", torch::tensor(spec.order).to(torch::kInt64));
    if (spec.kind != net::LayerKind::kTable) continue;
    const auto& activations = options_.network->activations;
    const CodeTable table =
        code_table(spec, activations[index(spec.src)], activations[index(spec.dst)]);
    constants_[i].table = keep("_table", table.codes);
    constants_[i].slopes = keep("_slopes", table.slopes);
  }
}

void ModelImpl::limit_codes() {
  limits_.resize(graph_.size());
  if (!options_.quant.enabled) return;
  for (size_t i = 0; i < graph_.size(); ++i) {
    const LayerSpec& spec = graph_[i];
    if (is_float(spec.dst)) continue;
    const ActivationQuantizerImpl& quantizer = quantizer_of(spec.dst);
    Grid& grid = limits_[i] = quantizer.grid();
    grid.min_code = std::max(grid.min_code, spec.low - quantizer.zero_point());
    grid.max_code = std::min(grid.max_code, spec.high - quantizer.zero_point());
    if (spec.relu) grid.min_code = std::max<int64_t>(grid.min_code, 0);
  }
}

/// Without dots, which LibTorch puts between names, and unlike any other of this module.
std::string ModelImpl::module_name(const std::string& wanted) const {
  std::string name = wanted.empty() ? "layer" : wanted;
  std::replace(name.begin(), name.end(), '.', '_');
  const auto taken = [&] {
    const auto buffers = named_buffers(/*recurse=*/false);
    const auto children = named_children();
    return buffers.contains(name) || children.contains(name);
  };
  while (taken()) name += "_";
  return name;
}

torch::Tensor ModelImpl::forward(const torch::Tensor& images) {
  return options_.quant.enabled && !is_training() ? evaluate(images) : run(images, false);
}

void ModelImpl::calibrate(const torch::Tensor& images) {
  if (calibrated()) return;
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
  values[0] = options_.quant.enabled ? image_codes(images) * quantizers_[0]->scale() : images;
  for (size_t i = 0; i < graph_.size(); ++i) {
    const LayerSpec& spec = graph_[i];
    torch::Tensor& out = values[index(spec.dst)];
    if (out.defined()) continue;  // a pool done together with its layer
    const torch::Tensor& x = values[index(spec.src)];
    switch (spec.kind) {
      case net::LayerKind::kMaxPool:
        out = max_pool(maps(spec.src, values), spec.window);
        if (may_miss_image(spec.window))
          out = at::maximum(out, scale_of(spec.dst) * double(limits_[i].min_code));
        continue;
      case net::LayerKind::kAvgPool:
        out = activate(i, mean(i, maps(spec.src, values)), calibrating);
        continue;
      case net::LayerKind::kAdd:
        out = activate(i, maps(spec.src, values) + maps(spec.others[0], values), calibrating);
        continue;
      case net::LayerKind::kMul:
        out = activate(i, maps(spec.src, values) * maps(spec.others[0], values), calibrating);
        continue;
      case net::LayerKind::kConcat:
        out = joined(spec, values);
        continue;
      case net::LayerKind::kTable:
        out = pass_through_table(i, maps(spec.src, values));
        continue;
      case net::LayerKind::kMove:
        out = reorder(x, constants_[i].order, shapes_[index(spec.dst)]);
        continue;
      case net::LayerKind::kConv:
      case net::LayerKind::kLinear:
        break;
    }
    record(i, x);
    QuantLayerImpl& product = product_of(i);
    const torch::Tensor input = spec.kind == net::LayerKind::kConv ? maps(spec.src, values) : x;
    if (pool_after_[i] >= 0) {
      // Rounding and ReLU are monotone, so the pool may run first, on fewer elements afterwards.
      const LayerSpec& pool = graph_[index(pool_after_[i])];
      const bool fused = form_ == QuantizeForm::kFused && product.can_pool(pool, input);
      const torch::Tensor y =
          fused ? product.forward_pooled(input) : max_pool(product.forward(input), pool.window);
      values[index(pool.dst)] = activate(i, y, calibrating);
      continue;
    }
    const torch::Tensor y = product.multiply(input);
    const torch::Tensor skip =
        spec.skip >= 0 ? values[index(spec.skip)].view(y.sizes()) : torch::Tensor();
    if (fuses_norm(i, y, calibrating)) {
      out = norm_quantize(y, product.batch_norm(), skip,
                          quantizer_of(spec.dst).inputs_for(y, limits_[i]));
      continue;
    }
    const torch::Tensor normed = product.normalize(y);
    out = activate(i, skip.defined() ? normed + skip : normed, calibrating);
  }
  return values[index(graph_.back().dst)].to(torch::kFloat32).flatten(1);
}

torch::Tensor ModelImpl::mean(size_t layer, const torch::Tensor& x) const {
  const net::Window& w = graph_[layer].window;
  const bool whole = w == square_window(x.size(2), w.stride_height) && x.size(2) == x.size(3);
  if (whole && x.is_cuda()) return x.mean({2, 3}, /*keepdim=*/true);  // a pool's gradient is slow
  if (w == square_window(w.kernel_height, w.stride_height))
    return at::avg_pool2d(x, {w.kernel_height, w.kernel_width}, {w.stride_height, w.stride_width});
  const torch::Tensor sum = sum_pool(x, w);
  if (!constants_[layer].counts.defined())
    return sum / static_cast<double>(w.kernel_height * w.kernel_width);
  return sum / constants_[layer].counts.to(x.scalar_type());
}

torch::Tensor ModelImpl::pass_through_table(size_t layer, const torch::Tensor& x) const {
  const LayerSpec& spec = graph_[layer];
  const ActivationQuantizerImpl& from = quantizer_of(spec.src);
  const torch::Tensor to = scale_of(spec.dst);
  const torch::Tensor codes = (x.detach() / from.scale()).round();
  const int64_t least = from.grid().min_code;
  const torch::Tensor y = look_up(constants_[layer].table, codes, least) * to;
  const torch::Tensor slope = look_up(constants_[layer].slopes, codes, least) * (to / from.scale());
  return y + slope * (x - x.detach());
}

bool ModelImpl::fuses_norm(size_t layer, const torch::Tensor& y, bool calibrating) const {
  return graph_[layer].batch_norm && is_training() && options_.quant.enabled &&
         !is_float(graph_[layer].dst) && form_ == QuantizeForm::kFused && !calibrating &&
         !activation_hook_ && covers_norm_quantize(y);
}

torch::Tensor ModelImpl::activate(size_t layer, const torch::Tensor& y, bool calibrating) {
  const LayerSpec& spec = graph_[layer];
  if (!options_.quant.enabled || is_float(spec.dst)) return spec.relu ? at::relu(y) : y;
  const auto& quantizer = quantizers_[index(owners_[index(spec.dst)])];
  if (calibrating && !quantizer->initialized()) quantizer->initialize(y);
  if (activation_hook_ && !calibrating)
    return quantizer->forward(activation_hook_(y, *quantizer), limits_[layer]);
  return quantizer->forward(y, limits_[layer]);
}

torch::Tensor ModelImpl::maps(int64_t activation, const std::vector<torch::Tensor>& values) const {
  return as_maps(values[index(activation)], shapes_[index(activation)]);
}

torch::Tensor ModelImpl::joined(const LayerSpec& spec,
                                const std::vector<torch::Tensor>& values) const {
  std::vector<torch::Tensor> parts;
  for (const int64_t input : inputs_of(spec)) parts.push_back(maps(input, values));
  return at::cat(parts, 1);
}

const ActivationQuantizerImpl& ModelImpl::quantizer_of(int64_t activation) const {
  const auto owner = index(owners_[index(activation)]);
  FLATENN_ASSERT(owner < quantizers_.size() && quantizers_[owner], "activation ", activation,
                 " has no quantizer");
  return *quantizers_[owner];
}

bool ModelImpl::is_float(int64_t activation) const {
  return !quantizers_[index(owners_[index(activation)])];
}

void ModelImpl::record(size_t layer, const torch::Tensor& values) {
  const LayerSpec& spec = graph_[layer];
  if (recording_ && spec.src != 0 && spec.twin < 0)
    layer_inputs_.push_back({layer_of_[layer], values});
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
