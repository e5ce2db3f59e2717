#include <set>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/version.h"
#include "flatenn/net/onnx.h"
#include "net/onnx_tensor.h"

namespace flatenn::net {
namespace {

constexpr int64_t kOpset = 13;
constexpr int64_t kIrVersion = 7;  // the one that came with opset 13

void add_ints(onnx::NodeProto& node, const std::string& name, const std::vector<int64_t>& values) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INTS);
  for (const int64_t value : values) attribute.add_ints(value);
}

void add_int(onnx::NodeProto& node, const std::string& name, int64_t value) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INT);
  attribute.set_i(value);
}

/// Tensor names: "<activation>" is the real-valued tensor, "<activation>:codes" its codes,
/// "<layer>:weight" and the like the constants of a layer.
class GraphWriter {
 public:
  GraphWriter(const Network& network, onnx::GraphProto& graph) : network_(network), graph_(graph) {}

  void write() {
    check_names();
    graph_.set_name(network_.name.empty() ? "network" : network_.name);
    const Activation& image = network_.input();
    add_value(*graph_.add_input(), image.name + ":pixels", image.shape, /*vector=*/false);
    add_value(*graph_.add_output(), network_.logits().name, network_.logits().shape,
              network_.layers.back().kind == LayerKind::kLinear);
    quantize(image, image.name + ":pixels");
    for (const Layer& layer : network_.layers) write_layer(layer);
  }

 private:
  const Activation& activation(int64_t index) const {
    return network_.activations[static_cast<size_t>(index)];
  }

  void check_names() const {
    std::set<std::string> seen;
    for (const Activation& a : network_.activations) {
      FLATENN_CHECK(!a.name.empty() && seen.insert(a.name).second, "network ", network_.name,
                    ": activation name '", a.name, "' is empty or used twice");
    }
    seen.clear();
    for (const Layer& layer : network_.layers) {
      FLATENN_CHECK(!layer.name.empty() && seen.insert(layer.name).second, "network ",
                    network_.name, ": layer name '", layer.name, "' is empty or used twice");
    }
  }

  static void add_value(onnx::ValueInfoProto& value, const std::string& name, const Shape& shape,
                        bool vector) {
    value.set_name(name);
    auto& type = *value.mutable_type()->mutable_tensor_type();
    type.set_elem_type(onnx::TensorProto::FLOAT);
    type.mutable_shape()->add_dim()->set_dim_param("N");
    type.mutable_shape()->add_dim()->set_dim_value(shape.channels);
    if (vector) return;
    type.mutable_shape()->add_dim()->set_dim_value(shape.height);
    type.mutable_shape()->add_dim()->set_dim_value(shape.width);
  }

  onnx::NodeProto& node(const std::string& op, const std::string& name,
                        const std::vector<std::string>& inputs, const std::string& output) {
    onnx::NodeProto& result = *graph_.add_node();
    result.set_op_type(op);
    result.set_name(name);
    for (const std::string& input : inputs) result.add_input(input);
    result.add_output(output);
    return result;
  }

  std::string constant(const onnx::TensorProto& tensor) {
    *graph_.add_initializer() = tensor;
    return tensor.name();
  }

  /// Clip to [low, high] in the codes' own type; `name` itself where the type says as much.
  std::string clip(const std::string& name, int low, int high, bool is_signed) {
    if (is_signed ? low == -128 && high == 127 : high == 255) return name;
    const std::string out = name + ":clipped";
    node("Clip", name + "/clip",
         {name, constant(code_scalar(name + ":low", low, is_signed)),
          constant(code_scalar(name + ":high", high, is_signed))},
         out);
    return out;
  }

  void quantize(const Activation& a, const std::string& real) {
    const std::string scale = constant(scalar_tensor(a.name + ":scale", a.scale));
    const std::string zero = constant(code_scalar(a.name + ":zero", 0, a.is_signed));
    const std::string codes = a.name + ":codes";
    node("QuantizeLinear", a.name + "/quantize", {real, scale, zero}, codes);
    const std::string clipped = clip(codes, a.min_code(), a.max_code(), a.is_signed);
    node("DequantizeLinear", a.name + "/dequantize", {clipped, scale, zero}, a.name);
  }

  /// Values rather than codes, so that any runtime multiplies by the right integer.
  std::string weight(const Layer& layer) {
    const Weights& w = layer.weights;
    std::vector<int8_t> values;
    values.reserve(w.codes.size());
    for (const int8_t code : w.codes) values.push_back(static_cast<int8_t>(w.value(code)));
    const std::string base = layer.name + ":weight";
    const std::vector<int64_t> dims =
        layer.kind == LayerKind::kLinear
            ? std::vector<int64_t>{w.out_channels, w.in_channels}
            : std::vector<int64_t>{w.out_channels, w.in_channels, w.kernel_height, w.kernel_width};
    const std::string codes = constant(int8_tensor(base + ":values", values, dims));
    const int top = 1 << (w.bits - 1);
    const std::string clipped = clip(codes, w.value(static_cast<int8_t>(-top)),
                                     w.value(static_cast<int8_t>(top - 1)), true);
    return dequantize_constant(base, clipped, w.scales);
  }

  std::string bias(const Layer& layer) {
    const auto src_scale = static_cast<double>(activation(layer.src).scale);
    std::vector<float> scales;
    for (const float scale : layer.weights.scales) {
      scales.push_back(static_cast<float>(src_scale * static_cast<double>(scale)));
    }
    const std::string base = layer.name + ":bias";
    return dequantize_constant(base, constant(int32_tensor(base + ":values", layer.bias)), scales);
  }

  std::string dequantize_constant(const std::string& base, const std::string& values,
                                  const std::vector<float>& scales) {
    const std::string scale =
        constant(scales.size() == 1 ? scalar_tensor(base + ":scale", scales.front())
                                    : float_tensor(base + ":scale", scales));
    onnx::NodeProto& dq = node("DequantizeLinear", base + "/dequantize", {values, scale}, base);
    if (scales.size() > 1) add_int(dq, "axis", 0);
    return base;
  }

  void write_layer(const Layer& layer) {
    const std::string src = activation(layer.src).name;
    const Activation& dst = activation(layer.dst);
    const bool last = dst.is_float;
    const auto output = [&](bool final_step, const char* step) {
      return final_step && last ? dst.name : layer.name + step;
    };
    const bool bare = layer.skip < 0 && !layer.relu;
    std::string at = output(bare, ":sum");
    write_operator(layer, src, at);
    if (layer.skip >= 0) {
      const std::string added = output(!layer.relu, ":added");
      node("Add", layer.name + "/add", {at, activation(layer.skip).name}, added);
      at = added;
    }
    if (layer.relu) {
      const std::string rectified = output(true, ":relu");
      node("Relu", layer.name + "/relu", {at}, rectified);
      at = rectified;
    }
    if (!last) quantize(dst, at);
  }

  void write_operator(const Layer& layer, const std::string& src, const std::string& output) {
    const std::vector<int64_t> pads(4, layer.pad);
    const std::vector<int64_t> strides(2, layer.stride);
    if (layer.kind == LayerKind::kLinear) {
      const std::string flat = layer.name + ":flat";
      add_int(node("Flatten", layer.name + "/flatten", {src}, flat), "axis", 1);
      const std::string w = weight(layer);
      const std::string b = bias(layer);
      add_int(node("Gemm", layer.name, {flat, w, b}, output), "transB", 1);
      return;
    }
    check_plane(layer);
    if (layer.kind == LayerKind::kConv) {
      const std::string w = weight(layer);
      const std::string b = bias(layer);
      onnx::NodeProto& conv = node("Conv", layer.name, {src, w, b}, output);
      add_ints(conv, "kernel_shape", {layer.weights.kernel_height, layer.weights.kernel_width});
      add_ints(conv, "pads", pads);
      add_ints(conv, "strides", strides);
      add_int(conv, "group", layer.groups);
      return;
    }
    onnx::NodeProto& pool = node(layer.kind == LayerKind::kMaxPool ? "MaxPool" : "AveragePool",
                                 layer.name, {src}, output);
    add_ints(pool, "kernel_shape", {layer.kernel, layer.kernel});
    add_ints(pool, "pads", pads);
    add_ints(pool, "strides", strides);
  }

  /// A linear layer's output is a matrix in ONNX, which convolutions and pools cannot read.
  void check_plane(const Layer& layer) const {
    for (const Layer& other : network_.layers) {
      FLATENN_CHECK(other.dst != layer.src || other.kind != LayerKind::kLinear, "layer ",
                    layer.name, ": reads a linear layer, which ONNX cannot say");
    }
  }

  const Network& network_;
  onnx::GraphProto& graph_;
};

void add_property(onnx::ModelProto& model, const std::string& key, const std::string& value) {
  onnx::StringStringEntryProto& entry = *model.add_metadata_props();
  entry.set_key("flatenn." + key);
  entry.set_value(value);
}

void write_metadata(const Network& network, onnx::ModelProto& model) {
  add_property(model, "name", network.name);
  if (!network.metadata.contains("version")) add_property(model, "version", version());
  for (const auto& [key, value] : network.metadata) add_property(model, key, value);
  for (const Layer& layer : network.layers) {
    if (!layer.multiplies()) continue;
    add_property(model, "layer." + layer.name + ".weight_bits", std::to_string(layer.weights.bits));
    add_property(model, "layer." + layer.name + ".value_map",
                 layer.weights.value_map == ValueMap::kOdd ? "odd" : "code");
  }
}

}  // namespace

void write_onnx(const Network& network, const std::filesystem::path& path) {
  network.validate();
  onnx::ModelProto model;
  model.set_ir_version(kIrVersion);
  model.set_producer_name("flatenn");
  model.set_producer_version(version());
  model.add_opset_import()->set_version(kOpset);
  write_metadata(network, model);
  GraphWriter(network, *model.mutable_graph()).write();
  write_file_atomically(path, model.SerializeAsString());
}

}  // namespace flatenn::net
