#include <algorithm>
#include <numeric>
#include <set>

#include "flatenn/base/error.h"
#include "interop/onnx_importer.h"

/// Activations one after another: Concat, and what reads it part by part.
namespace flatenn::interop {
namespace {

/// Tensors that one layer joins.
constexpr size_t kMostParts = 4096;

}  // namespace

void Importer::concat(const Node& node) {
  Attributes attributes(node);
  if (!attributes.has("axis")) fail_at(node, "attribute axis is missing");
  int64_t axis = attributes.get_int("axis", 1);
  attributes.finish();
  Tensor out{.kind = Kind::kJoin, .join = node.name()};
  bool codes = false;
  for (int i = 0; i < node.input_size(); ++i) {
    const Tensor part = tensor(node, i);
    const auto rank = static_cast<int64_t>(part.dims.size()) + 1;
    const size_t channel = part.channels_last ? 2 : 0;
    if (i == 0) {
      if (axis < 0) axis += rank;
      out.dims = part.dims;
      out.channels_last = part.channels_last;
      if (channel < out.dims.size()) out.dims[channel] = 0;
      codes = part.kind == Kind::kCodes;
    }
    bool fits = part.dims.size() == out.dims.size() && part.channels_last == out.channels_last &&
                axis == static_cast<int64_t>(channel) + 1 && channel < part.dims.size();
    for (size_t d = 0; d < out.dims.size() && fits; ++d) {
      fits = d == channel || part.dims[d] == out.dims[d];
    }
    if (!fits) fail_at(node, "only channels of equal planes may be joined");
    if ((part.kind == Kind::kCodes) != codes) fail_at(node, "joins codes with other tensors");
    out.dims[channel] += part.dims[channel];
    if (part.kind == Kind::kJoin) {
      out.parts.insert(out.parts.end(), part.parts.begin(), part.parts.end());
    } else if (codes || part.kind == Kind::kPending || part.kind == Kind::kFunction) {
      out.parts.push_back(part);
    } else {
      out.parts.push_back(real(node, i));
    }
  }
  if (out.parts.empty()) fail_at(node, "joins nothing");
  if (out.parts.size() > kMostParts) {
    fail_at(node, detail::concat("joins more than ", kMostParts, " tensors"));
  }
  if (codes) {
    const Quantization q = quantization_of(activation(out.parts.front().activation));
    std::vector<int64_t> parts;
    for (const Tensor& part : out.parts) {
      if (!same(activation(part.activation), q)) {
        fail_at(node, "joins codes of unequal scales, zero points or bits");
      }
      parts.push_back(part.activation);
    }
    out.parts.clear();
    out.activation = joined(node, out, parts, base_name(node.output(0)));
    out.kind = Kind::kCodes;
  }
  note(node, "concatenation");
  set(node, out);
}

Tensor Importer::quantized_join(const Node& node, const Tensor& from, const Quantization& q,
                                const std::string& name) {
  if (!q.channel_scales.empty()) fail_at(node, "quantizes joined channels by several scales");
  std::vector<int64_t> parts;
  for (size_t i = 0; i < from.parts.size(); ++i) {
    Tensor part = from.parts[i];
    if (part.kind != Kind::kReal || !same(activation(part.activation), q)) {
      part = quantized(node, part, q, name + ":part" + std::to_string(i));
    }
    parts.push_back(part.activation);
  }
  Tensor out = from;
  out.kind = Kind::kCodes;
  out.parts.clear();
  out.activation = joined(node, from, parts, name);
  return out;
}

/// A layer that puts activations of equal scales one after another.
int64_t Importer::joined(const Node& node, const Tensor& join, std::vector<int64_t> parts,
                         const std::string& name) {
  const Quantization q = quantization_of(activation(parts.front()));
  Shape shape = activation(parts.front()).shape;
  const Shape plane{1, shape.height, shape.width};
  const auto stacks = [&](int64_t part) {
    const Shape& s = activation(part).shape;
    return s.height == plane.height && s.width == plane.width;
  };
  const bool stack = std::all_of(parts.begin(), parts.end(), stacks);
  if (!stack && join.dims.size() != 1) fail_at(node, "joins planes of unequal extents");
  shape.channels = 0;
  for (int64_t& part : parts) {
    if (!stack) part = flattened(node, part);
    shape.channels += activation(part).shape.channels;
  }
  if (!stack) shape = {shape.channels, 1, 1};
  Layer layer{.name = join.join.empty() ? layer_name(node) : layer_name(join.join),
              .kind = LayerKind::kConcat,
              .src = parts.front()};
  layer.others.assign(parts.begin() + 1, parts.end());
  const int64_t index = add_activation(name, shape, q);
  append(std::move(layer), index);
  return index;
}

/// The same codes as [elements, 1, 1].
int64_t Importer::flattened(const Node& node, int64_t from) {
  const Activation a = activation(from);
  count_moved(node, a.shape.elements());
  Layer layer{.name = layer_name(node), .kind = LayerKind::kMove, .src = from};
  layer.order.resize(static_cast<size_t>(a.shape.elements()));
  std::iota(layer.order.begin(), layer.order.end(), 0);
  const int64_t index =
      add_activation(a.name + ":flat", {a.shape.elements(), 1, 1}, quantization_of(a));
  append(std::move(layer), index);
  return index;
}

/// Of joined activations that are not quantized alike: part by part. False for all others.
bool Importer::distribute(const Node& node) {
  static const std::set<std::string> kPools = {"MaxPool", "AveragePool", "GlobalAveragePool",
                                               "GlobalMaxPool", "ReduceMean"};
  static const std::set<std::string> kOthers = {
      "Relu", "Clip",     "LeakyRelu", "Elu",  "HardSigmoid", "HardSwish", "Sigmoid",
      "Tanh", "Softplus", "Gelu",      "Mish", "Selu",        "Softsign",  "Abs"};
  const bool pools = kPools.contains(node.op_type());
  if ((!pools && !kOthers.contains(node.op_type())) || node.input_size() < 1) return false;
  const auto found = tensors_.find(node.input(0));
  if (found == tensors_.end() || found->second.kind != Kind::kJoin) return false;
  const Tensor join = found->second;
  const Tensor& first = join.parts.front();
  const auto alike = [&](const Tensor& part) {
    return part.kind == Kind::kReal && first.kind == Kind::kReal &&
           same(activation(part.activation), quantization_of(activation(first.activation)));
  };
  if (std::all_of(join.parts.begin(), join.parts.end(), alike)) return false;
  if (pools && join.dims.size() != 3) fail_at(node, "pools what is no plane");
  Tensor out = join;
  out.parts.clear();
  int64_t channels = 0;
  for (size_t i = 0; i < join.parts.size(); ++i) {
    const std::string suffix = ":part" + std::to_string(i);
    Node one = node;
    one.set_input(0, node.input(0) + suffix);
    one.set_output(0, node.output(0) + suffix);
    tensors_[one.input(0)] = join.parts[i];
    read_node(one);
    const Tensor part = tensors_.at(one.output(0));
    if (pools) {
      out.dims = part.dims;
      channels += part.dims[join.channels_last && part.dims.size() == 3 ? 2 : 0];
    }
    out.channels_last = part.channels_last;
    out.parts.push_back(part);
  }
  if (pools) out.dims[out.channels_last ? 2 : 0] = channels;
  set(node, out);
  return true;
}

}  // namespace flatenn::interop
