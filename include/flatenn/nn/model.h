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
  /// In place of an architecture: the graph, codes, scales and stored weights of this frozen
  /// network. What else stands here then says nothing, but for what follows.
  std::shared_ptr<const net::Network> network;
  /// Of `network`: scales stay as they are, or are learned from there on (but for the image's and
  /// those beside tables of codes).
  bool keep_scales = true;
  std::vector<float> mean;  ///< Of the data set, where `network` takes raw pixels; one a channel.
  std::vector<float> std;
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

/// A network of the zoo, or one made from a frozen network: a list of layers that reads and writes
/// a list of activations, as net::Network is.
///
/// In training mode forward() quantizes weights and activations as it goes and is differentiable.
/// In evaluation mode it computes on codes with batch norm folded into the scales and the rounded
/// bias, which is the frozen network's arithmetic (net::Layer), so its codes equal the frozen
/// network's; those of a model made from one equal it to the last bit before the first step. With
/// quant.enabled = false both modes are the plain float network.
///
/// Codes stand less their activation's zero point everywhere, so that 0 means 0. Tables of codes
/// pass gradients straight through, times the slope of their function.
class ModelImpl : public torch::nn::Module {
 public:
  /// Throws Error for an unknown architecture, an image too small for it, bits out of range, or a
  /// bit width given for a layer that does not exist; of options.network naming the layer that
  /// cannot be trained.
  explicit ModelImpl(const ModelOptions& options);

  /// Normalized images [N, C, H, W], float32 -> logits [N, classes], float32.
  torch::Tensor forward(const torch::Tensor& images);

  /// The codes (less zero points) that evaluation computes of each activation from those of the
  /// image, [N, C, H, W] or [N, F], float32; float logits themselves.
  std::vector<torch::Tensor> trace(const torch::Tensor& image_codes);
  /// The image's codes, less its zero point.
  torch::Tensor image_codes(const torch::Tensor& images) const;

  /// Sets the activation scales from a batch of training images, layer by layer, where they are not
  /// set yet. Needed once before the first forward() of a quantized network. No gradient; running
  /// statistics stay.
  void calibrate(const torch::Tensor& images);
  bool calibrated() const;

  const ModelOptions& options() const { return options_; }
  const std::vector<LayerSpec>& graph() const { return graph_; }  ///< Pools included.
  /// The multiplying layers, in graph order.
  const std::vector<std::shared_ptr<QuantLayerImpl>>& layers() const { return layers_; }
  /// One an activation; null in a float network, for float logits, and for tensors that share
  /// another one's scale (after pools, say).
  const std::vector<std::shared_ptr<ActivationQuantizerImpl>>& quantizers() const {
    return quantizers_;
  }
  /// Shapes of the activations, [0] the image.
  const std::vector<net::Shape>& shapes() const { return shapes_; }
  /// The quantizer of an activation, its own or the one that it shares.
  const ActivationQuantizerImpl& quantizer_of(int64_t activation) const;
  /// Fixed-point factors of a layer of graph() at the scales that stand now: the file's where no
  /// scale has moved.
  std::vector<net::FixedPoint> factors_of(size_t layer) const;
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
  void add_layers_of_network();
  void add_quantizers();
  void add_quantizers_of_network();
  void add_constants();
  void limit_codes();
  std::string module_name(const std::string& wanted) const;

  torch::Tensor run(const torch::Tensor& images, bool calibrating);
  torch::Tensor mean(size_t layer, const torch::Tensor& x) const;
  torch::Tensor pass_through_table(size_t layer, const torch::Tensor& x) const;
  torch::Tensor activate(size_t layer, const torch::Tensor& y, bool calibrating);
  bool fuses_norm(size_t layer, const torch::Tensor& y, bool calibrating) const;

  torch::Tensor evaluate(const torch::Tensor& images);
  void evaluate(std::vector<torch::Tensor>& codes, bool fuse);
  torch::Tensor evaluate_product(size_t layer, const LayerSpec* pool,
                                 const std::vector<torch::Tensor>& codes);
  torch::Tensor evaluate_mean(size_t layer, const torch::Tensor& x) const;
  torch::Tensor evaluate_pair(size_t layer, const torch::Tensor& a, const torch::Tensor& b) const;
  torch::Tensor requantize(size_t layer, const torch::Tensor& y) const;
  torch::Tensor requantize_whole(size_t layer, const torch::Tensor& y) const;
  torch::Tensor scale_of(int64_t activation) const;
  bool is_float(int64_t activation) const;

  torch::Tensor maps(int64_t activation, const std::vector<torch::Tensor>& values) const;
  torch::Tensor joined(const LayerSpec& spec, const std::vector<torch::Tensor>& values) const;
  void record(size_t layer, const torch::Tensor& values);
  QuantLayerImpl& product_of(size_t layer) {
    return *layers_[static_cast<size_t>(layer_of_[layer])];
  }

  /// What a layer needs besides weights; undefined where it does not.
  struct Constants {
    torch::Tensor counts;  ///< Of an average pool: elements of each window, float64 [H, W].
    torch::Tensor table;   ///< float32 [rows, levels]; see CodeTable.
    torch::Tensor slopes;
    torch::Tensor order;  ///< int64
  };

  ModelOptions options_;
  std::vector<LayerSpec> graph_;
  std::vector<net::Shape> shapes_;
  std::vector<int64_t>
      pool_after_;  ///< For each of graph_, the max pool that alone reads it, or -1.
  std::vector<std::shared_ptr<QuantLayerImpl>> layers_;
  std::vector<int64_t> layer_of_;  ///< For each of graph_, its index in layers_, or -1.
  std::vector<int64_t> owners_;    ///< See code_owners().
  std::vector<std::shared_ptr<ActivationQuantizerImpl>> quantizers_;
  std::vector<Grid> limits_;  ///< For each of graph_: the codes that it may write.
  std::vector<Constants> constants_;
  std::vector<int64_t> macs_;
  torch::Tensor image_mean_;  ///< Buffers, [C, 1, 1], of a network's image; undefined where unused.
  torch::Tensor image_std_;
  torch::Tensor image_factor_;
  torch::Tensor image_shift_;
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
