#include <algorithm>
#include <map>
#include <optional>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/utf8.h"
#include "flatenn/net/onnx.h"
#include "net/onnx_graph.h"
#include "net/onnx_weights.h"

namespace flatenn::net {
namespace {

/// What is known about a tensor while the graph is walked in order.
struct Tensor {
  enum class Kind {
    kImage,    ///< The float input.
    kCodes,    ///< Codes of an activation.
    kReal,     ///< An activation through DequantizeLinear.
    kPending,  ///< What a layer computes, before it is quantized (or the logits).
  };
  Kind kind = Kind::kImage;
  int64_t activation = -1;  ///< kCodes, kReal.
  size_t layer = 0;         ///< kPending.
  bool flat = false;        ///< kReal: through Flatten.
};

int64_t window_outputs(const onnx::NodeProto& node, int64_t extent, int64_t kernel, int64_t stride,
                       int64_t pad) {
  if (stride < 1 || pad < 0 || kernel < 1 || kernel > extent + 2 * pad) {
    fail_at(node, detail::concat("kernel ", kernel, ", stride ", stride, " and pad ", pad,
                                 " do not fit an extent of ", extent));
  }
  return (extent + 2 * pad - kernel) / stride + 1;
}

/// Walks the nodes in order and builds the network; every failure names its node.
class GraphReader {
 public:
  GraphReader(const onnx::GraphProto& graph, Network& network)
      : graph_(graph),
        network_(network),
        constants_(graph),
        weights_(constants_, network.metadata) {}

  void read() {
    read_image();
    for (const onnx::NodeProto& node : graph_.node()) {
      for (const std::string& input : node.input()) ++readers_[input];
    }
    for (const onnx::NodeProto& node : graph_.node()) {
      if (node.output_size() < 1) fail_at(node, "has no output");
      if (!constants_.absorb(node)) read_node(node);
    }
    finish_logits();
  }

 private:
  using Kind = Tensor::Kind;

  void read_image() {
    const onnx::ValueInfoProto* image = nullptr;
    for (const onnx::ValueInfoProto& input : graph_.input()) {
      if (constants_.raw(input.name()) != nullptr) continue;
      FLATENN_CHECK(image == nullptr, "graph: has inputs ", image->name(), " and ", input.name(),
                    ", expected one");
      image = &input;
    }
    FLATENN_CHECK(image != nullptr, "graph: has no input");
    const auto& type = image->type().tensor_type();
    FLATENN_CHECK(type.elem_type() == onnx::TensorProto::FLOAT, "graph: input ", image->name(),
                  " must be FLOAT");
    std::vector<int64_t> extents;
    for (int i = 1; i < type.shape().dim_size(); ++i) {
      extents.push_back(type.shape().dim(i).dim_value());
    }
    FLATENN_CHECK((extents.size() == 1 || extents.size() == 3) &&
                      std::all_of(extents.begin(), extents.end(), [](int64_t e) { return e > 0; }),
                  "graph: input ", image->name(),
                  " must be [N, features] or [N, C, H, W] with known extents");
    extents.resize(3, 1);
    Activation activation;
    activation.shape = {extents[0], extents[1], extents[2]};
    network_.activations.push_back(activation);
    tensors_[image->name()] = {.kind = Kind::kImage};
  }

  void read_node(const onnx::NodeProto& node) {
    using Handler = void (GraphReader::*)(const onnx::NodeProto&);
    static const std::map<std::string, Handler> kHandlers = {
        {"QuantizeLinear", &GraphReader::quantize},
        {"Clip", &GraphReader::clip},
        {"DequantizeLinear", &GraphReader::dequantize},
        {"Conv", &GraphReader::conv},
        {"Gemm", &GraphReader::gemm},
        {"MatMul", &GraphReader::matmul},
        {"Add", &GraphReader::add},
        {"Relu", &GraphReader::relu},
        {"MaxPool", &GraphReader::pool},
        {"AveragePool", &GraphReader::pool},
        {"GlobalAveragePool", &GraphReader::pool},
        {"Flatten", &GraphReader::flatten},
        {"Reshape", &GraphReader::flatten},
        {"Identity", &GraphReader::identity}};
    const auto handler = kHandlers.find(node.op_type());
    if (handler == kHandlers.end() || !(node.domain().empty() || node.domain() == "ai.onnx")) {
      fail_at(node, "operator is not supported");
    }
    (this->*handler->second)(node);
  }

  const Tensor& tensor(const onnx::NodeProto& node, int index) const {
    const std::string name = required_input(node, index);
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) fail_at(node, "reads " + name + ", which nothing computed");
    return found->second;
  }

  Activation& activation(int64_t index) { return network_.activations[static_cast<size_t>(index)]; }

  /// Index of the activation that input `index` dequantizes.
  int64_t real_input(const onnx::NodeProto& node, int index) const {
    const Tensor& t = tensor(node, index);
    if (t.kind != Kind::kReal) {
      fail_at(node, required_input(node, index) + " is not quantized (expected the output of " +
                        "DequantizeLinear)");
    }
    return t.activation;
  }

  Layer& pending_input(const onnx::NodeProto& node, int index) {
    const Tensor& t = tensor(node, index);
    if (t.kind != Kind::kPending) {
      fail_at(node, required_input(node, index) + " is not what a layer computes");
    }
    if (readers_[required_input(node, index)] != 1) {
      fail_at(node, required_input(node, index) + " is read twice before it is quantized");
    }
    return network_.layers[t.layer];
  }

  void quantize(const onnx::NodeProto& node) {
    const std::string zero = input_or_none(node, 2);
    const Constants::Code point = zero.empty() ? Constants::Code{} : constants_.code(node, zero);
    if (point.value != 0) {
      fail_at(node, detail::concat("zero point must be 0, got ", point.value));
    }
    const float scale = constants_.scalar(node, required_input(node, 1));
    Tensor out{.kind = Kind::kCodes};
    if (tensor(node, 0).kind == Kind::kImage) {
      if (network_.input().is_signed) fail_at(node, "quantizes the image a second time");
      if (!point.is_signed) fail_at(node, "the image must be INT8, got UINT8");
      out.activation = 0;
    } else {
      Layer& layer = pending_input(node, 0);
      out.activation = layer.dst;
    }
    Activation& a = activation(out.activation);
    a.scale = scale;
    a.is_signed = point.is_signed;
    a.name = base_name(node);
    tensors_[node.output(0)] = out;
  }

  /// The name of the dequantized tensor where this file is ours, else of the codes.
  static std::string base_name(const onnx::NodeProto& node) {
    const std::string& output = node.output(0);
    constexpr std::string_view kSuffix = ":codes";
    return output.ends_with(kSuffix) ? output.substr(0, output.size() - kSuffix.size()) : output;
  }

  void clip(const onnx::NodeProto& node) {
    const Tensor in = tensor(node, 0);
    if (in.kind != Kind::kCodes) fail_at(node, "only codes (INT8 or UINT8) may be clipped");
    if (readers_[node.input(0)] != 1) {
      fail_at(node, node.input(0) + " is also read without the clip");
    }
    Activation& a = activation(in.activation);
    const int64_t low = constants_.code(node, required_input(node, 1)).value;
    const int64_t high = constants_.code(node, required_input(node, 2)).value;
    for (int bits = 2; bits <= 8; ++bits) {
      a.bits = bits;
      if (a.min_code() == low && a.max_code() == high) {
        tensors_[node.output(0)] = in;
        return;
      }
    }
    fail_at(node, detail::concat("[", low, ", ", high, "] is not the range of 2 to 8 bits"));
  }

  void dequantize(const onnx::NodeProto& node) {
    Tensor out = tensor(node, 0);
    if (out.kind != Kind::kCodes) fail_at(node, node.input(0) + " is not codes");
    if (constants_.scalar(node, required_input(node, 1)) != activation(out.activation).scale) {
      fail_at(node, "its scale differs from QuantizeLinear's");
    }
    const std::string zero = input_or_none(node, 2);
    if (!zero.empty() && constants_.code(node, zero).value != 0) {
      fail_at(node, "zero point must be 0");
    }
    out.kind = Kind::kReal;
    tensors_[node.output(0)] = out;
  }

  /// Adds the layer with an output of `shape`; its result waits to be quantized.
  void append(const onnx::NodeProto& node, Layer layer, const Shape& shape) {
    layer.name = node.name().empty() ? node.output(0) : node.name();
    layer.dst = static_cast<int64_t>(network_.activations.size());
    Activation dst;
    dst.shape = shape;
    network_.activations.push_back(dst);
    tensors_[node.output(0)] = {.kind = Kind::kPending, .layer = network_.layers.size()};
    network_.layers.push_back(std::move(layer));
  }

  static void read_window(const onnx::NodeProto& node, Attributes& attributes, Layer& layer) {
    const std::string padding = attributes.get_string("auto_pad", "NOTSET");
    if (padding != "NOTSET" && padding != "VALID") {
      fail_at(node, "auto_pad " + padding + " is not supported");
    }
    layer.stride = attributes.get_uniform("strides", 2, 1);
    layer.pad = attributes.get_uniform("pads", 4, 0);
    if (attributes.get_uniform("dilations", 2, 1) != 1) {
      fail_at(node, "dilations are not supported");
    }
  }

  void conv(const onnx::NodeProto& node) {
    Layer layer{.name = node.name(), .kind = LayerKind::kConv, .src = real_input(node, 0)};
    Attributes attributes(node);
    read_window(node, attributes, layer);
    layer.groups = attributes.get_int("group", 1);
    attributes.ignore("kernel_shape");
    attributes.finish();
    weights_.read_weights(node, required_input(node, 1), false, layer);
    const Activation src = activation(layer.src);
    weights_.read_bias(node, input_or_none(node, 2), src.scale, layer);
    const Weights& w = layer.weights;
    const Shape shape{
        w.out_channels,
        window_outputs(node, src.shape.height, w.kernel_height, layer.stride, layer.pad),
        window_outputs(node, src.shape.width, w.kernel_width, layer.stride, layer.pad)};
    append(node, std::move(layer), shape);
  }

  void linear(const onnx::NodeProto& node, bool transposed, const std::string& bias) {
    Layer layer{.name = node.name(), .kind = LayerKind::kLinear, .src = real_input(node, 0)};
    const Activation src = activation(layer.src);
    if (!tensor(node, 0).flat && src.shape.height * src.shape.width != 1) {
      fail_at(node, "reads a plane that was not flattened");
    }
    weights_.read_weights(node, required_input(node, 1), transposed, layer);
    weights_.read_bias(node, bias, src.scale, layer);
    const Shape shape{layer.weights.out_channels, 1, 1};
    append(node, std::move(layer), shape);
  }

  void gemm(const onnx::NodeProto& node) {
    Attributes attributes(node);
    const bool weights_by_output = attributes.get_int("transB", 0) != 0;
    if (attributes.get_int("transA", 0) != 0 || attributes.get_float("alpha", 1) != 1 ||
        attributes.get_float("beta", 1) != 1) {
      fail_at(node, "transA, alpha and beta are not supported");
    }
    attributes.finish();
    linear(node, !weights_by_output, input_or_none(node, 2));
  }

  void matmul(const onnx::NodeProto& node) { linear(node, true, ""); }

  void add(const onnx::NodeProto& node) {
    const std::string first = required_input(node, 0);
    const bool constant_first =
        constants_.raw(first) != nullptr || constants_.dequantized(first) != nullptr;
    const int constant = constant_first ? 0 : 1;
    const std::string second = required_input(node, constant);
    if (constants_.raw(second) != nullptr || constants_.dequantized(second) != nullptr) {
      add_bias(node, 1 - constant, second);
      return;
    }
    const int pending = tensor(node, 0).kind == Kind::kPending ? 0 : 1;
    const int64_t skip = real_input(node, 1 - pending);
    Layer& layer = pending_input(node, pending);
    if (layer.relu || layer.skip >= 0 || !layer.multiplies()) {
      fail_at(node, "may only add to the result of a convolution or product");
    }
    layer.skip = skip;
    pass_on(node, pending);
  }

  /// MatMul followed by Add of a constant.
  void add_bias(const onnx::NodeProto& node, int pending, const std::string& bias) {
    Layer& layer = pending_input(node, pending);
    const bool fresh =
        layer.multiplies() && !layer.relu && layer.skip < 0 &&
        std::all_of(layer.bias.begin(), layer.bias.end(), [](int32_t value) { return value == 0; });
    if (!fresh) fail_at(node, "may only add a constant to a product without bias");
    weights_.read_bias(node, bias, activation(layer.src).scale, layer);
    pass_on(node, pending);
  }

  void relu(const onnx::NodeProto& node) {
    Layer& layer = pending_input(node, 0);
    if (!layer.multiplies()) fail_at(node, "follows a pool, which is not supported");
    layer.relu = true;
    pass_on(node, 0);
  }

  void pass_on(const onnx::NodeProto& node, int index) {
    const Tensor same = tensor(node, index);
    tensors_[node.output(0)] = same;
  }

  void pool(const onnx::NodeProto& node) {
    Layer layer{.kind = node.op_type() == "MaxPool" ? LayerKind::kMaxPool : LayerKind::kAvgPool,
                .src = real_input(node, 0)};
    const Shape src = activation(layer.src).shape;
    Attributes attributes(node);
    if (node.op_type() == "GlobalAveragePool") {
      if (src.height != src.width) fail_at(node, "only a square plane is supported");
      layer.kernel = src.height;
    } else {
      read_window(node, attributes, layer);
      layer.kernel = attributes.get_uniform("kernel_shape", 2, 0);
      attributes.ignore("count_include_pad");
      if (attributes.get_int("ceil_mode", 0) != 0) fail_at(node, "ceil_mode is not supported");
      attributes.ignore("storage_order");
    }
    attributes.finish();
    const Shape shape{src.channels,
                      window_outputs(node, src.height, layer.kernel, layer.stride, layer.pad),
                      window_outputs(node, src.width, layer.kernel, layer.stride, layer.pad)};
    append(node, std::move(layer), shape);
  }

  void flatten(const onnx::NodeProto& node) {
    real_input(node, 0);
    pass_on(node, 0);
    tensors_[node.output(0)].flat = true;
    if (node.op_type() == "Flatten" && Attributes(node).get_int("axis", 1) != 1) {
      fail_at(node, "only axis 1 is supported");
    }
  }

  void identity(const onnx::NodeProto& node) { pass_on(node, 0); }

  void finish_logits() {
    FLATENN_CHECK(graph_.output_size() == 1, "graph: expected one output, got ",
                  graph_.output_size());
    const std::string& name = graph_.output(0).name();
    const auto found = tensors_.find(name);
    FLATENN_CHECK(found != tensors_.end() && found->second.kind == Kind::kPending &&
                      found->second.layer + 1 == network_.layers.size(),
                  "graph: output ", name, " is not the unquantized result of the last layer");
    Activation& logits = network_.activations.back();
    logits.name = name;
    logits.is_float = true;
    logits.scale = 1;
  }

  const onnx::GraphProto& graph_;
  Network& network_;
  Constants constants_;
  WeightReader weights_;
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, int64_t> readers_;
};

void check_text(const std::string& text, const char* what) {
  FLATENN_CHECK(is_utf8(text), what, " that is not UTF-8 text");
}

/// Names go into JSON, result files and pages.
void check_texts(const Network& network) {
  check_text(network.name, "has a name");
  for (const auto& [key, value] : network.metadata) {
    check_text(key, "has metadata with a key");
    check_text(value, "has metadata with a value");
  }
  for (const Layer& layer : network.layers) check_text(layer.name, "has a layer with a name");
  for (const Activation& activation : network.activations) {
    check_text(activation.name, "has a tensor with a name");
  }
}

constexpr int64_t kOldestOpset = 10;  // the first with QuantizeLinear

onnx::ModelProto parse(const std::string& bytes) {
  onnx::ModelProto model;
  FLATENN_CHECK(model.ParseFromString(bytes) && model.has_graph() && model.graph().node_size() > 0,
                "is not an ONNX model, or only a part of one");
  for (const onnx::OperatorSetIdProto& set : model.opset_import()) {
    FLATENN_CHECK(!set.domain().empty() || set.version() >= kOldestOpset, "opset ", set.version(),
                  " is too old, expected ", kOldestOpset, " or newer");
  }
  return model;
}

void read_metadata(const onnx::ModelProto& model, Network& network) {
  constexpr std::string_view kPrefix = "flatenn.";
  for (const onnx::StringStringEntryProto& entry : model.metadata_props()) {
    const std::string& key = entry.key();
    network.metadata[key.starts_with(kPrefix) ? key.substr(kPrefix.size()) : key] = entry.value();
  }
}

/// What WeightReader has used and the network's own fields say.
void drop_structural_metadata(Network& network) {
  network.metadata.erase("name");
  std::erase_if(network.metadata,
                [](const auto& entry) { return entry.first.starts_with("layer."); });
}

}  // namespace

Network read_onnx(const std::filesystem::path& given) {
  const bool folder = std::filesystem::is_directory(given);
  const std::filesystem::path path = folder ? given / "model.onnx" : given;
  FLATENN_CHECK(!folder || std::filesystem::exists(path), given.string(), ": holds no model.onnx");
  const std::string bytes = read_file(path);
  try {
    const onnx::ModelProto model = parse(bytes);
    Network network;
    read_metadata(model, network);
    network.name =
        network.metadata.contains("name") ? network.metadata["name"] : model.graph().name();
    GraphReader(model.graph(), network).read();
    drop_structural_metadata(network);
    check_texts(network);
    network.validate();
    return network;
  } catch (const Error& error) {
    throw Error(path.string() + ": " + error.what());
  }
}

}  // namespace flatenn::net
