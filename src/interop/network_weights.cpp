#include "flatenn/interop/network_weights.h"

#include <cmath>
#include <set>

#include "flatenn/base/error.h"
#include "flatenn/interop/safetensors.h"
#include "flatenn/net/content_hash.h"
#include "interop/net_names.h"

namespace flatenn::interop {
namespace {

std::vector<int64_t> dims(const Layer& layer) {
  const Weights& w = layer.weights;
  if (layer.kind == LayerKind::kLinear) return {w.out_channels, w.in_channels};
  return {w.out_channels, w.in_channels, w.kernel_height, w.kernel_width};
}

bool holds_weights(const Layer& layer) { return layer.multiplies() && layer.twin < 0; }

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t extent : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(extent);
  }
  return text + "]";
}

/// Takes a network's tensors out of a file, one by one, then says what is left.
class Taker {
 public:
  explicit Taker(const TensorFile& file) : file_(file) {}

  const StoredTensor* find(const std::string& name) {
    const StoredTensor* tensor = file_.find(name);
    if (tensor != nullptr) taken_.insert(name);
    return tensor;
  }

  const StoredTensor& take(const std::string& name, const std::vector<int64_t>& shape) {
    const StoredTensor* tensor = find(name);
    FLATENN_CHECK(tensor != nullptr, "holds no tensor ", name);
    FLATENN_CHECK(tensor->shape == shape, "tensor ", name, ": expected shape ", shape_text(shape),
                  ", got ", shape_text(tensor->shape));
    return *tensor;
  }

  /// A list of one element or `most`.
  const StoredTensor& take_list(const std::string& name, int64_t most) {
    const StoredTensor* tensor = find(name);
    FLATENN_CHECK(tensor != nullptr, "holds no tensor ", name);
    return take(name, {tensor->elements() == 1 ? 1 : most});
  }

  void check_all_taken() const {
    for (const StoredTensor& tensor : file_.tensors) {
      FLATENN_CHECK(taken_.contains(tensor.name), "tensor ", tensor.name,
                    " belongs to no layer or activation of the network");
    }
  }

 private:
  const TensorFile& file_;
  std::set<std::string> taken_;
};

/// Its integers, all within [low, high].
template <typename T>
std::vector<T> integers_within(const StoredTensor& tensor, int64_t low, int64_t high) {
  std::vector<T> values;
  for (const int64_t value : tensor.integers()) {
    FLATENN_CHECK(value >= low && value <= high, "tensor ", tensor.name, ": ", value,
                  " is outside ", low, "..", high);
    values.push_back(static_cast<T>(value));
  }
  return values;
}

std::vector<float> scales_of(const StoredTensor& tensor) {
  std::vector<float> scales = tensor.floats();
  for (const float scale : scales) {
    FLATENN_CHECK(std::isfinite(scale) && scale != 0, "tensor ", tensor.name, ": scale ", scale,
                  " is not a finite number other than 0");
  }
  return scales;
}

void read_layer(Layer& layer, Taker& taker) {
  Weights& w = layer.weights;
  const int64_t top = int64_t{1} << (w.bits - 1);
  w.codes = integers_within<int8_t>(taker.take(layer.name + ".weight", dims(layer)), -top, top - 1);
  w.scales = scales_of(taker.take_list(layer.name + ".weight_scale", w.out_channels));
  w.zero_points.clear();
  if (taker.find(layer.name + ".weight_zero_point") != nullptr) {
    w.zero_points = integers_within<int>(
        taker.take_list(layer.name + ".weight_zero_point", w.out_channels), -top, top - 1);
  }
  layer.bias = integers_within<int32_t>(taker.take(layer.name + ".bias", {w.out_channels}),
                                        INT32_MIN, INT32_MAX);
}

void read_activation(Activation& a, Taker& taker) {
  if (a.is_float) return;
  a.scale = scales_of(taker.take(a.name + ".scale", {})).front();
  FLATENN_CHECK(a.scale > 0, "tensor ", a.name, ".scale: expected a positive scale, got ", a.scale);
  a.zero_point =
      integers_within<int>(taker.take(a.name + ".zero_point", {}), a.min_code(), a.max_code())
          .front();
}

/// Copies of other layers' weights follow them.
void update_twins(Network& network) {
  for (Layer& layer : network.layers) {
    if (!layer.multiplies() || layer.twin < 0) continue;
    const Layer& holder = network.layers[static_cast<size_t>(layer.twin)];
    layer.weights = holder.weights;
    layer.bias = holder.bias;
  }
}

void read_into(Network& network, const TensorFile& file) {
  Taker taker(file);
  for (Layer& layer : network.layers) {
    if (holds_weights(layer)) read_layer(layer, taker);
    if (layer.kind != LayerKind::kTable) continue;
    const Activation& dst = network.activations[static_cast<size_t>(layer.dst)];
    layer.table =
        integers_within<int16_t>(taker.take(layer.name + ".table", {std::ssize(layer.table)}),
                                 dst.min_code(), dst.max_code());
  }
  for (Activation& a : network.activations) read_activation(a, taker);
  taker.check_all_taken();
  update_twins(network);
  network.validate();
}

}  // namespace

void write_weights(const Network& network, const std::filesystem::path& path) {
  network.validate();
  TensorFile file{.metadata = network.metadata};
  file.metadata["format"] = "flatenn";
  file.metadata["name"] = network.name;
  file.metadata["content_hash"] = net::content_hash(network);
  for (const Layer& layer : network.layers) {
    if (layer.kind == LayerKind::kTable) {
      file.tensors.push_back(stored_integers(layer.name + ".table", {std::ssize(layer.table)},
                                             {layer.table.begin(), layer.table.end()}));
    }
    if (!holds_weights(layer)) continue;
    const Weights& w = layer.weights;
    file.metadata[layer.name + ".weight_bits"] = std::to_string(w.bits);
    file.metadata[layer.name + ".value_map"] = w.value_map == ValueMap::kOdd ? "odd" : "code";
    file.tensors.push_back(stored_codes(layer.name + ".weight", dims(layer), w.codes));
    file.tensors.push_back(
        stored_floats(layer.name + ".weight_scale", {std::ssize(w.scales)}, w.scales));
    if (!w.zero_points.empty()) {
      file.tensors.push_back(stored_integers(layer.name + ".weight_zero_point",
                                             {std::ssize(w.zero_points)},
                                             {w.zero_points.begin(), w.zero_points.end()}));
    }
    file.tensors.push_back(stored_integers(layer.name + ".bias", {w.out_channels}, layer.bias));
  }
  for (const Activation& a : network.activations) {
    if (a.is_float) continue;
    file.tensors.push_back(stored_floats(a.name + ".scale", {}, {a.scale}));
    file.tensors.push_back(stored_integers(a.name + ".zero_point", {}, {a.zero_point}));
  }
  write_safetensors(file, path);
}

void read_weights(Network& network, const std::filesystem::path& path) {
  const TensorFile file = read_safetensors(path);
  Network changed = network;
  try {
    read_into(changed, file);
  } catch (const Error& error) {
    throw Error(path.string() + ": " + error.what());
  }
  network = std::move(changed);
}

}  // namespace flatenn::interop
