#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "flatenn/net/network.h"
#include "flatenn/nn/layers.h"
#include "flatenn/nn/quantizer.h"

namespace flatenn::nn {

/// How a network is quantized. A layer's bits cover its weights and its input; a tensor that
/// several layers read has the widest of their bits.
struct QuantOptions {
  bool enabled = true;  ///< false: the float network, with the same parameter names.
  WeightQuantizerKind quantizer = WeightQuantizerKind::kLsq;
  int64_t weight_bits = 4;      ///< 2..8
  int64_t activation_bits = 4;  ///< 2..8
  int64_t first_last_bits = 8;  ///< Of the first and last layer; 0: as all others.
  std::map<std::string, int64_t> layer_weight_bits;  ///< By layer name; stronger than the above.
  std::map<std::string, int64_t> layer_activation_bits;  ///< Of the tensor that the layer reads.
  bool per_channel = false;                              ///< Weight scales.
  double tied_factor = 0;                                ///< See WeightQuantizerOptions.
};

struct ModelOptions {
  std::string architecture = "lenet5";  ///< See architecture_names().
  net::Shape input{1, 28, 28};          ///< Of one image.
  int64_t classes = 10;
  std::vector<int64_t> hidden{256, 128};  ///< Of "mlp": widths of its hidden layers.
  int64_t width = 64;                     ///< Of "resnet18": channels of its first stage.
  /// Real value of the image's code 1: data::ImageSet::max_normalized() / 127.
  double input_scale = 1.0 / 127;
  /// FATReLU: hidden activations under this share of their first clip range become 0, in [0, 1).
  double fatrelu = 0;
  QuantOptions quant;
  uint64_t seed = 0;  ///< Decides the initial weights, with RandomPurpose::kInitialization.
};

/// "mlp", "lenet5", "resnet20", "resnet18".
std::vector<std::string> architecture_names();

/// A tensor that a multiplying layer read in the last forward pass: after pooling, without padding.
struct LayerInput {
  int64_t layer = 0;     ///< Index into ModelImpl::layers().
  torch::Tensor values;  ///< Real values in training mode, codes in evaluation mode.
};

/// Disturbs what a layer computed before its quantizer rounds it, in training mode; differentiable.
using ActivationHook =
    std::function<torch::Tensor(const torch::Tensor& y, const ActivationQuantizerImpl& quantizer)>;

/// A network of the zoo: a list of layers that reads and writes a list of activations, as
/// net::Network is.
///
/// In training mode forward() quantizes weights and activations as it goes and is differentiable.
/// In evaluation mode it computes on codes with batch norm folded into the scales and the rounded
/// bias, which is the frozen network's arithmetic (net::Layer), so its codes equal the frozen
/// network's. With quant.enabled = false both modes are the plain float network.
class ModelImpl : public torch::nn::Module {
 public:
  /// Throws Error for an unknown architecture, an image too small for it, bits out of range, or a
  /// bit width given for a layer that does not exist.
  explicit ModelImpl(const ModelOptions& options);

  /// Normalized images [N, C, H, W], float32 -> logits [N, classes], float32.
  torch::Tensor forward(const torch::Tensor& images);

  /// Sets the activation scales from a batch of training images, layer by layer, where they are not
  /// set yet. Needed once before the first forward() of a quantized network. No gradient; running
  /// statistics stay.
  void calibrate(const torch::Tensor& images);
  bool calibrated() const;

  const ModelOptions& options() const { return options_; }
  const std::vector<LayerSpec>& graph() const { return graph_; }  ///< Pools included.
  /// The multiplying layers, in graph order.
  const std::vector<std::shared_ptr<QuantLayerImpl>>& layers() const { return layers_; }
  /// One an activation; null in a float network, for logits, and for tensors that pass another
  /// one's codes on (pools).
  const std::vector<std::shared_ptr<ActivationQuantizerImpl>>& quantizers() const {
    return quantizers_;
  }
  /// Shapes of the activations, [0] the image.
  const std::vector<net::Shape>& shapes() const { return shapes_; }
  /// The quantizer of an activation, looking through max pools.
  const ActivationQuantizerImpl& quantizer_of(int64_t activation) const;
  /// Multiply-accumulates of one image, for each of layers().
  const std::vector<int64_t>& macs() const { return macs_; }

  /// Keep what the multiplying layers read, the image excluded, for the sparsity term and counts.
  void set_recording(bool on);
  const std::vector<LayerInput>& layer_inputs() const { return layer_inputs_; }

  /// Runs on every quantized activation but the image, in the graph's order; empty: none.
  void set_activation_hook(ActivationHook hook) { activation_hook_ = std::move(hook); }
  /// Batch norm in training mode moves its running statistics only while this is on (default).
  void set_track_statistics(bool on);
  /// Keeps convolutions' weights in the format [out, kh, kw, in], which CUDA devices prefer; shapes
  /// stay.
  void use_channels_last();
  /// Type that products and activations have in training mode: float32, or bfloat16 on a CUDA
  /// device. Weights, quantizer arithmetic, batch norm's parameters and logits stay float32.
  void set_compute_type(torch::ScalarType type);
  /// Form of every quantizer, and of convolution with pooling; kComposite for second derivatives.
  void set_quantize_form(QuantizeForm form);

 private:
  void add_layers();
  void add_quantizers();
  torch::Tensor run(const torch::Tensor& images, bool calibrating);
  torch::Tensor evaluate(const torch::Tensor& images);
  torch::Tensor activate(const LayerSpec& spec, const torch::Tensor& y, bool calibrating);
  torch::Tensor evaluate_product(const LayerSpec& spec, const QuantLayerImpl& layer,
                                 const LayerSpec* pool, const std::vector<torch::Tensor>& codes);
  torch::Tensor requantize(const LayerSpec& spec, const torch::Tensor& y) const;
  void record(int64_t layer, const torch::Tensor& values);

  ModelOptions options_;
  std::vector<LayerSpec> graph_;
  std::vector<net::Shape> shapes_;
  std::vector<int64_t>
      pool_after_;  ///< For each of graph_, the max pool that alone reads it, or -1.
  std::vector<std::shared_ptr<QuantLayerImpl>> layers_;
  std::vector<std::shared_ptr<ActivationQuantizerImpl>> quantizers_;
  std::vector<int64_t> macs_;
  QuantizeForm form_ = QuantizeForm::kFused;
  ActivationHook activation_hook_;
  bool recording_ = false;
  std::vector<LayerInput> layer_inputs_;
};
TORCH_MODULE(Model);

/// What warm_start() did, by parameter or buffer name.
struct WarmStart {
  std::vector<std::string> copied;
  std::vector<std::string> missing;  ///< In the model, not in the state; scales are set anew.
};

/// Every parameter and buffer of a module by name (detached, not copied).
std::map<std::string, torch::Tensor> named_state(const torch::nn::Module& module);

/// Copies weights, biases, batch norm and, where present and of the same bits, scales from the
/// state of another model of the same architecture. From a float network weight scales are set
/// from the weights; call calibrate() afterwards. Throws Error naming the tensor where shapes
/// differ or a weight is missing.
WarmStart warm_start(ModelImpl& model, const std::map<std::string, torch::Tensor>& state);

/// Root mean square of the values v of each multiplying layer's codes, by layer name.
std::map<std::string, double> code_rms(const ModelImpl& model);
/// Weight scale of each multiplying layer (mean over channels), by layer name.
std::map<std::string, double> weight_scales(const ModelImpl& model);

}  // namespace flatenn::nn
