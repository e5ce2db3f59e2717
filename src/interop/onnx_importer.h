#pragma once

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "flatenn/interop/onnx.h"
#include "flatenn/net/network.h"
#include "interop/net_names.h"
#include "interop/onnx_constants.h"
#include "interop/onnx_graph.h"
#include "interop/onnx_input.h"

namespace flatenn::interop {

/// A layer whose result is not quantized yet.
struct Pending {
  Layer layer;
  Shape shape;
  /// Of conv and linear, one an output channel, in units of src.scale * weights.scale(c): rounded
  /// when the layer is complete.
  std::vector<double> bias;
  std::vector<Layer> pools;  ///< Max-pools that follow: they commute with quantization.
  float low = -INFINITY;     ///< Of Clip.
  float high = INFINITY;
  /// Index of the layer that holds these weights, once there is one; shared by all copies.
  std::shared_ptr<int64_t> holder = std::make_shared<int64_t>(-1);
};

/// What is known about a tensor while the graph is walked in order.
struct Tensor {
  enum class Kind {
    kImage,     ///< The input, perhaps behind element-wise steps.
    kCodes,     ///< Codes of an activation.
    kReal,      ///< An activation through DequantizeLinear.
    kPending,   ///< What a layer computes, before it is quantized (or the logits).
    kFunction,  ///< A function of one activation's codes.
    kJoin,      ///< Several activations, one after another.
    kIndex,     ///< Codes cast to integers, plus a constant.
    kDropped,   ///< Behind a Softmax or the like: of no influence on top-1.
  };
  Kind kind = Kind::kImage;
  int64_t activation = -1;
  std::vector<int64_t> dims = {};  ///< Without the batch.
  bool channels_last = false;      ///< dims are HWC; activations are always CHW.
  bool places = false;             ///< Real values cast to integers: places in a table.
  std::shared_ptr<Pending> pending = nullptr;
  /// kFunction: for each code of the activation, or for each channel and code.
  std::vector<float> values = {};
  std::vector<Tensor> parts = {};  ///< kJoin: no joins among them.
  std::string join = {};           ///< kJoin: the name of the node.
  /// kCodes, kReal: a scale for each channel, where they differ; the activation has the first.
  std::vector<float> channel_scales = {};
  std::vector<int64_t> offsets = {0};  ///< kIndex: one, or one a channel.
  std::vector<int64_t> pads = {};      ///< Zeros around a plane, as ONNX's pads.
  ImageTransform image = {};           ///< kImage.
  bool is_float = true;                ///< kImage: of the type that the graph computes with.
  bool is_signed = false;              ///< kImage of integers.
  bool without_batch = false;          ///< A Squeeze dropped the batch of 1.
};

/// How real values become codes.
struct Quantization {
  float scale = 1;
  int zero_point = 0;
  int bits = 8;
  bool is_signed = false;
  int low = INT32_MIN;
  int high = INT32_MAX;
  Rounding rounding = Rounding::kHalfEven;
  bool zero_first = false;                 ///< The zero point is added before rounding (QONNX).
  std::vector<float> channel_scales = {};  ///< Where there is one a channel; scale is the first.

  int lowest() const { return is_signed ? -(1 << (bits - 1)) : 0; }
  int highest() const { return lowest() + (1 << bits) - 1; }
  int64_t code(float value) const;
};
/// Throws Error naming the tensor where an image has no values in it, or more than 2^27.
void check_elements(const std::string& name, const Shape& shape);
Quantization quantization_of(const Activation& activation);

/// Builds a network from an ONNX graph, node by node; every failure names its node. Its members
/// stand in onnx_importer.cpp (the walk), onnx_codes.cpp (quantization), onnx_qonnx.cpp,
/// onnx_layers.cpp (what becomes a layer), onnx_elementwise.cpp, onnx_shapes.cpp and
/// onnx_qoperator.cpp.
class Importer {
 public:
  Importer(const onnx::GraphProto& graph, int64_t opset, const std::filesystem::path& folder,
           Network& network, const ReadOptions& options, std::vector<ImportedNode>* notes);
  void allow_negative_scales() { constants_.allow_negative_scales(); }
  void run();

 private:
  using Node = onnx::NodeProto;
  using Kind = Tensor::Kind;

  // The walk.
  void read_image();
  void read_node(const Node& node);
  void release(const Node& node);
  void finish_logits();
  const Tensor& tensor(const Node& node, int index) const;
  void set(const Node& node, Tensor value) {
    constants_.spend(node, std::ssize(value.values));
    tensors_[node.output(0)] = std::move(value);
  }
  std::shared_ptr<Pending> copied(const Node& node, const Pending& pending) const {
    constants_.spend(node, std::ssize(pending.layer.weights.codes));
    return std::make_shared<Pending>(pending);
  }
  void note(const Node& node, std::string became, std::string why = "");
  std::vector<int64_t> extents(const std::string& name) const;
  Activation& activation(int64_t index) { return network_.activations[static_cast<size_t>(index)]; }
  bool constant(const Node& node, int index) const {
    return constants_.find(required_input(node, index)) != nullptr;
  }
  std::string layer_name(const Node& node);
  std::string layer_name(const std::string& base);

  // Quantization.
  Quantization quantization(const Node& node, int scale, int zero);
  Tensor quantized(const Node& node, const Tensor& from, const Quantization& q,
                   const std::string& name);
  Tensor quantized_image(const Node& node, const Tensor& from, const Quantization& q);
  Tensor quantized_function(const Node& node, const Tensor& from, const Quantization& q,
                            const std::string& name);
  Tensor quantized_join(const Node& node, const Tensor& from, const Quantization& q,
                        const std::string& name);
  int64_t joined(const Node& node, const Tensor& join, std::vector<int64_t> parts,
                 const std::string& name);
  int64_t flattened(const Node& node, int64_t from);
  bool is_chosen(int64_t index) const;
  bool same(const Activation& a, const Quantization& q) const;
  int64_t add_activation(const std::string& name, const Shape& shape, const Quantization& q);
  int64_t append(Layer layer, int64_t dst);
  void append_pending(const Node& node, Pending& pending, const Quantization* q,
                      const std::string& name);
  Tensor real(const Node& node, int index);
  Tensor as_real(const Node& node, const Tensor& from, const std::string& name);
  std::vector<float> values_of(const Tensor& from);
  void quantize(const Node& node);
  void check_channel_axis(const Node& node, const Tensor& from, const Quantization& q,
                          int64_t axis) const;
  Tensor dequantized_image(const Node& node, const Tensor& image, Quantization q);
  void dequantize(const Node& node);
  void clip(const Node& node);
  float clip_limit(const Node& node, int index, const Tensor& in) const;
  void clip_codes(const Node& node, const Tensor& in, float low, float high);
  int64_t limit_code(const Node& node, float limit, const Quantization& q) const;
  void scale_channels(const Node& node, Pending& pending, const Quantization& q);

  // QONNX.
  Quantization quant_inputs(const Node& node, const QuantSettings& settings, int scale, int zero,
                            int bits);
  void quant(const Node& node);
  void bipolar_quant(const Node& node);
  void trunc(const Node& node);
  void multi_threshold(const Node& node);

  // Layers.
  Shape plane(const Node& node, const Tensor& from) const;
  void weights(const Node& node, const std::string& name, bool transposed, Layer& layer);
  std::vector<double> bias(const Node& node, const std::string& name, const Layer& layer);
  std::vector<double> bias_of_codes(const Node& node, const Constant& c,
                                    const std::vector<double>& units);
  void add_pending(const Node& node, Layer layer, const Shape& shape,
                   std::vector<double> bias = {});
  void conv(const Node& node);
  void gemm(const Node& node);
  void matmul(const Node& node);
  void take_channel_scales(const Node& node, const Tensor& from, Layer& layer);
  void linear(const Node& node, bool transposed, const std::string& bias);
  void batch_norm(const Node& node);
  void batch_norm_of_codes(const Node& node, const Tensor& from, double epsilon);
  void pool(const Node& node);
  void global_pool(const Node& node);
  void reduce_mean(const Node& node);
  void concat(const Node& node);

  // Element by element.
  void relu(const Node& node);
  void unary(const Node& node);
  void apply(const Node& node, const Tensor& from, const std::function<float(float)>& function);
  void binary(const Node& node);
  void with_constant(const Node& node, int variable);
  void by_channel(const Node& node, Tensor from, const std::string& name,
                  const std::function<float(float, size_t)>& function);
  void limit(const Node& node);
  void affine_image(const Node& node, Tensor from, const std::vector<float>& values, bool left);
  void add_bias(const Node& node, int variable, const std::vector<float>& values);
  void combine_activations(const Node& node, const Tensor& a, const Tensor& b);
  void prelu(const Node& node);
  void scale_pending(const Node& node, int variable, const std::vector<float>& values);
  bool lies_by_channel(const std::vector<int64_t>& constant, const Tensor& tensor) const;
  void difference(const Node& node);
  Tensor negated(const Node& node, const Tensor& from);
  void clip_values(const Node& node, float low, float high);
  void drop(const Node& node);
  void check_drop(const Node& node, const Tensor& from);
  bool runs_over_classes(const Tensor& from, int64_t axis) const;
  bool distribute(const Node& node);

  // Shapes.
  void identity(const Node& node);
  void cast(const Node& node);
  void flatten(const Node& node);
  void reshape(const Node& node);
  void pad(const Node& node);
  void transpose(const Node& node);
  void squeeze(const Node& node);
  Tensor looked_up(const Node& node, Tensor places, const std::vector<float>& list);
  void gather(const Node& node);
  void reshape_to(const Node& node, const Tensor& from, std::vector<int64_t> dims);
  Tensor moved(const Node& node, const Tensor& from, const Shape& shape,
               std::vector<int32_t> order);
  void count_moved(const Node& node, int64_t elements);
  void permute(const Node& node, const Tensor& from, const std::vector<int64_t>& order);

  // QOperator: each stands for dequantize, operate, quantize.
  void qlinear(const Node& node);

  const onnx::GraphProto& graph_;
  Network& network_;
  const ReadOptions& options_;
  std::vector<ImportedNode>* notes_;
  Constants constants_;
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, int64_t> readers_;
  std::map<std::string, int64_t> remaining_;  ///< Readers still to come.
  std::map<std::string, int64_t> names_;
  int64_t batch_ = 1;
  int64_t moved_ = 0;         ///< Values in the orders of all layers that move codes.
  bool fixed_batch_ = false;  ///< Of one image.
  int64_t opset_ = 0;
  bool raw_bias_ = false;  ///< QOperator: int32 biases are in units of the sums.
};

/// The name of the dequantized tensor where a file is ours, else of the codes.
std::string base_name(const std::string& output);

}  // namespace flatenn::interop
