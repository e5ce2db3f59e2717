#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "flatenn/base/error.h"
#include "flatenn/interop/model.h"
#include "flatenn/net/content_hash.h"
#include "memory.h"
#include "network_bytes.h"

namespace flatenn::python {
namespace {

using ShapeTuple = std::tuple<int64_t, int64_t, int64_t>;

ShapeTuple shape_of(const net::Shape& shape) { return {shape.channels, shape.height, shape.width}; }

const net::Layer& layer_at(const net::Network& network, int64_t index) {
  if (index < 0 || index >= std::ssize(network.layers)) throw nb::index_error("layer");
  return network.layers[static_cast<size_t>(index)];
}

/// What flows through a layer; of weights alone nothing is known.
void add_flow(nb::dict& row, const net::Network& network, const net::Layer& layer) {
  const net::Activation& output = network.activations[static_cast<size_t>(layer.dst)];
  const net::Activation& input = network.activations[static_cast<size_t>(layer.src)];
  row["input_shape"] = shape_of(input.shape);
  row["output_shape"] = shape_of(output.shape);
  row["input_bits"] = input.bits;
  row["output_bits"] = output.is_float ? 32 : output.bits;
  row["macs"] = net::macs(network, layer);
}

nb::dict layer_row(const net::Network& network, const net::Layer& layer) {
  const bool stores = layer.multiplies() && layer.twin < 0;
  nb::dict row;
  row["name"] = layer.name;
  row["kind"] = net::kind_name(layer.kind);
  row["input_shape"] = nb::none();
  row["output_shape"] = nb::none();
  row["weights"] = stores ? layer.weights.elements() : 0;
  row["bits"] = stores ? layer.weights.bits : 0;
  row["input_bits"] = nb::none();
  row["output_bits"] = nb::none();
  row["relu"] = layer.relu;
  row["macs"] = nb::none();
  if (!network.activations.empty()) add_flow(row, network, layer);
  return row;
}

nb::list layer_rows(const NetworkHandle& self) {
  nb::list rows;
  for (const net::Layer& layer : self.network->layers) rows.append(layer_row(*self.network, layer));
  return rows;
}

nb::list activation_rows(const NetworkHandle& self) {
  nb::list rows;
  for (const net::Activation& activation : self.network->activations) {
    nb::dict row;
    row["name"] = activation.name;
    row["shape"] = shape_of(activation.shape);
    row["bits"] = activation.bits;
    row["signed"] = activation.is_signed;
    row["scale"] = activation.scale;
    row["zero_point"] = activation.zero_point;
    row["float"] = activation.is_float;
    rows.append(row);
  }
  return rows;
}

NumpyArray<const int8_t> weights(const NetworkHandle& self, int64_t index) {
  const net::Weights& weights = layer_at(*self.network, index).weights;
  return view(
      weights.codes.data(),
      {static_cast<size_t>(weights.out_channels), static_cast<size_t>(weights.in_channels),
       static_cast<size_t>(weights.kernel_height), static_cast<size_t>(weights.kernel_width)},
      self.network);
}

NumpyArray<const int32_t> bias(const NetworkHandle& self, int64_t index) {
  const net::Layer& layer = layer_at(*self.network, index);
  return view(layer.bias.data(), {layer.bias.size()}, self.network);
}

NumpyArray<const float> scales(const NetworkHandle& self, int64_t index) {
  const net::Weights& weights = layer_at(*self.network, index).weights;
  return view(weights.scales.data(), {weights.scales.size()}, self.network);
}

std::vector<int> zero_points(const NetworkHandle& self, int64_t index) {
  return layer_at(*self.network, index).weights.zero_points;
}

bool odd_values(const NetworkHandle& self, int64_t index) {
  return layer_at(*self.network, index).weights.value_map == net::ValueMap::kOdd;
}

int64_t output_of(const NetworkHandle& self, int64_t index) {
  return layer_at(*self.network, index).dst;
}

int64_t input_of(const NetworkHandle& self, int64_t index) {
  return layer_at(*self.network, index).src;
}

nb::bytes get_state(const NetworkHandle& self) {
  const std::vector<uint8_t> bytes = network_to_bytes(*self.network);
  return nb::bytes(bytes.data(), bytes.size());
}

void set_state(NetworkHandle& self, const nb::bytes& state) {
  const auto* const data = static_cast<const uint8_t*>(state.data());
  new (&self) NetworkHandle{
      std::make_shared<net::Network>(network_from_bytes({data, data + state.size()}))};
}

NetworkHandle load(const std::filesystem::path& path, int weight_bits) {
  const nb::gil_scoped_release nogil;
  return {std::make_shared<net::Network>(interop::read_model(path, {.weight_bits = weight_bits}))};
}

void save(const NetworkHandle& self, const std::filesystem::path& path) {
  const nb::gil_scoped_release nogil;
  interop::write_onnx(self.that_runs(), path);
}

NetworkHandle with_metadata(const NetworkHandle& self, const std::string& name,
                            const std::map<std::string, std::string>& metadata) {
  auto network = std::make_shared<net::Network>(*self.network);
  network->name = name;
  network->metadata = metadata;
  return {network};
}

}  // namespace

void bind_network(nb::module_& module) {
  using Self = const NetworkHandle&;
  nb::class_<NetworkHandle> type(module, "Network", "A frozen integer network.");
  bind_memory(type);
  type.def_static("load", load, nb::arg("path"), nb::arg("weight_bits"),
                  "Reads an ONNX or TensorFlow Lite file, or a run folder.")
      .def("save", save, nb::arg("path"), "Writes an ONNX file.")
      .def("with_metadata", with_metadata, nb::arg("name"), nb::arg("metadata"),
           "The same network under another name, with these metadata.")
      .def_prop_ro("name", [](Self self) { return self.network->name; })
      .def_prop_ro("metadata", [](Self self) { return self.network->metadata; })
      .def_prop_ro("hash", [](Self self) { return net::content_hash(*self.network); })
      .def_prop_ro("input_shape",
                   [](Self self) { return shape_of(self.that_runs().input().shape); })
      .def_prop_ro("classes", [](Self self) { return self.that_runs().classes(); })
      .def_prop_ro("output_shape",
                   [](Self self) { return shape_of(self.that_runs().logits().shape); })
      .def_prop_ro("runs", [](Self self) { return !self.network->activations.empty(); })
      .def_prop_ro("raw_pixels", [](Self self) { return self.that_runs().image.raw_pixels; })
      .def_prop_ro("weight_bits", [](Self self) { return net::weight_bits(*self.network); })
      .def("layers", layer_rows, nb::sig("def layers(self) -> list[dict[str, typing.Any]]"),
           "One row a layer.")
      .def("activations", activation_rows,
           nb::sig("def activations(self) -> list[dict[str, typing.Any]]"),
           "One row a tensor between layers; the first is the image.")
      .def("weights", weights, nb::arg("layer"), "Stored codes, OIHW; a view.")
      .def("bias", bias, nb::arg("layer"), "Stored biases; a view.")
      .def("scales", scales, nb::arg("layer"), "Of one code step: one, or one a channel; a view.")
      .def("zero_points", zero_points, nb::arg("layer"), "None, one, or one a channel.")
      .def("odd_values", odd_values, nb::arg("layer"), "Whether a code k stands for 2 k + 1.")
      .def("output_of", output_of, nb::arg("layer"), "Number of the activation that it writes.")
      .def("input_of", input_of, nb::arg("layer"), "Number of the activation that it reads.")
      .def("__getstate__", get_state)
      .def("__setstate__", set_state);
}

}  // namespace flatenn::python
