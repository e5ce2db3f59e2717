#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <sstream>

#include "bindings.h"
#include "flatenn/base/config.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/fault/fault_config.h"
#include "flatenn/fault/fault_list.h"
#include "flatenn/fault/injector.h"
#include "flatenn/fault/summary.h"
#include "flatenn/net/content_hash.h"

namespace flatenn::python {
namespace {

using fault::FaultMap;
using fault::FaultModel;
using fault::Injector;

template <typename T>
using Column = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

FaultModel read_model(const std::string& toml, const std::string& kind,
                      const std::filesystem::path& folder) {
  Config config = Config::from_string(toml, "FaultModel");
  FaultModel model = fault::read_fault_model(config, folder);
  config.check_all_read();
  return kind.empty() ? model : model.with_kind(fault::parse_fault_kind(kind));
}

/// Exactly `count` faults in the sources that would follow a rate.
FaultModel with_count(FaultModel model, int64_t count) {
  for (fault::FaultSource& source : model.sources) {
    if (source.follows_rate()) source.count = count;
  }
  return model;
}

/// Faults drawn for the network of an injector, one column a field.
const fault::MemoryTensor& tensor_of(const Injector& injector, const fault::Fault& fault) {
  return injector.layout().tensors[static_cast<size_t>(fault.site.tensor)];
}

template <typename T, typename Field>
NumpyArray<T> column(const std::vector<fault::Fault>& faults, const Field& field) {
  std::vector<T> values;
  values.reserve(faults.size());
  for (const fault::Fault& fault : faults) values.push_back(static_cast<T>(field(fault)));
  const size_t size = values.size();
  return to_numpy(std::move(values), {size});
}

nb::dict columns(const Injector& injector, const FaultMap& map, bool of_check_bits) {
  const auto& faults = of_check_bits ? map.check_faults : map.faults;
  nb::dict result;
  result["layer"] = column<int32_t>(
      faults, [&](const fault::Fault& fault) { return tensor_of(injector, fault).layer; });
  result["is_bias"] = column<uint8_t>(
      faults, [&](const fault::Fault& fault) { return tensor_of(injector, fault).is_bias; });
  result["element"] =
      column<int64_t>(faults, [](const fault::Fault& fault) { return fault.site.element; });
  result["bit"] = column<int8_t>(faults, [](const fault::Fault& fault) { return fault.site.bit; });
  result["kind"] = column<uint8_t>(faults, [](const fault::Fault& fault) { return fault.kind; });
  return result;
}

int32_t find_tensor(const fault::MemoryLayout& layout, int32_t layer, bool is_bias, size_t at) {
  for (size_t i = 0; i < layout.tensors.size(); ++i) {
    const fault::MemoryTensor& tensor = layout.tensors[i];
    if (tensor.layer == layer && tensor.is_bias == is_bias) return static_cast<int32_t>(i);
  }
  throw Error(detail::concat("layer[", at, "]: layer ", layer, " stores no ",
                             is_bias ? "biases" : "weights"));
}

std::vector<fault::Fault> faults_of(const Injector& injector, const Column<int32_t>& layer,
                                    const Column<uint8_t>& is_bias, const Column<int64_t>& element,
                                    const Column<int8_t>& bit, const Column<uint8_t>& kind) {
  std::vector<fault::Fault> faults;
  faults.reserve(layer.size());
  for (size_t i = 0; i < layer.size(); ++i) {
    FLATENN_CHECK(kind.data()[i] <= 2, "kind[", i, "]: 0 (bit_flip), 1 (stuck_at_0) or 2 ",
                  "(stuck_at_1), got ", int{kind.data()[i]});
    const int32_t tensor =
        find_tensor(injector.layout(), layer.data()[i], is_bias.data()[i] != 0, i);
    faults.push_back({{tensor, bit.data()[i], element.data()[i]},
                      static_cast<fault::FaultKind>(kind.data()[i])});
  }
  std::sort(faults.begin(), faults.end());
  return faults;
}

FaultMap make_map(const Injector& injector, const Column<int32_t>& layer,
                  const Column<uint8_t>& is_bias, const Column<int64_t>& element,
                  const Column<int8_t>& bit, const Column<uint8_t>& kind) {
  FaultMap map{.faults = faults_of(injector, layer, is_bias, element, bit, kind)};
  fault::check_map(map, injector.layout());
  return map;
}

void add_check_faults(FaultMap& map, const Injector& injector, const Column<int32_t>& layer,
                      const Column<int64_t>& element, const Column<int8_t>& bit,
                      const Column<uint8_t>& kind) {
  const std::vector<uint8_t> weights(layer.size(), 0);
  const size_t shape[] = {layer.size()};
  map.check_faults =
      faults_of(injector, layer, Column<uint8_t>(weights.data(), 1, shape), element, bit, kind);
}

nb::dict to_dict(const fault::FaultCounts& counts) {
  nb::dict result;
  result["drawn"] = counts.drawn;
  result["landed"] = counts.landed;
  result["check_drawn"] = counts.check_drawn;
  result["corrected"] = counts.corrected;
  result["detected"] = counts.detected;
  result["missed"] = counts.missed;
  result["clipped"] = counts.clipped;
  return result;
}

fault::Injection apply(const Injector& injector, const FaultMap& map) {
  const nb::gil_scoped_release nogil;
  return injector.apply(map);
}

NetworkHandle faulty(const Injector& injector, const FaultMap& map) {
  const nb::gil_scoped_release nogil;
  net::Network network = fault::faulty_network(*injector.network(), injector.apply(map));
  network.metadata.erase("accuracy");  // that of the fault-free network
  network.metadata["faults"] = fault::describe(injector.model());
  return {std::make_shared<net::Network>(std::move(network))};
}

/// Codes of every layer that stores weights, [elements] each, with one trial's faults in place.
std::vector<NumpyArray<int8_t>> faulty_codes(const Injector& injector, double rate, uint64_t seed,
                                             uint64_t trial) {
  std::vector<std::vector<int8_t>> codes;
  {
    const nb::gil_scoped_release nogil;
    injector.check_rate(rate);
    for (const net::Layer& layer : injector.network()->layers) {
      codes.push_back(layer.weights.codes);
    }
    for (const fault::WeightChange& change : injector.inject(rate, seed, trial).weights) {
      codes[static_cast<size_t>(change.layer)][static_cast<size_t>(change.element)] = change.code;
    }
  }
  std::vector<NumpyArray<int8_t>> arrays;
  for (std::vector<int8_t>& layer : codes) {
    const size_t size = layer.size();
    arrays.push_back(to_numpy(std::move(layer), {size}));
  }
  return arrays;
}

FaultMap draw(const Injector& injector, double rate, uint64_t seed, uint64_t trial) {
  const nb::gil_scoped_release nogil;
  injector.check_rate(rate);
  return injector.draw(rate, seed, trial);
}

std::string to_text(const Injector& injector, const FaultMap& map, const std::string& extension,
                    double rate, uint64_t seed, uint64_t trial) {
  if (extension == ".csv") return fault::fault_map_csv(map, injector.layout());
  return fault::fault_map_json(map, injector.layout(),
                               {.network = net::content_hash(*injector.network()),
                                .encoding = to_string(injector.model().encoding),
                                .model = to_json(injector.model()).dump(),
                                .rate = rate,
                                .seed = seed,
                                .trial = trial});
}

/// The tables of a plan that tell how this memory stores words, without its causes of faults.
std::string memory_toml(const FaultModel& model) {
  std::ostringstream toml;
  toml << "[memory]\nencoding = \"" << to_string(model.encoding) << "\"\n";
  if (const auto& array = model.array) {
    toml << "[memory.array]\nrows = " << array->rows << "\ncolumns = " << array->columns
         << "\nbits_per_cell = " << array->bits_per_cell << "\narrays = " << array->arrays
         << "\nmapping = \""
         << (array->mapping == fault::ArrayMapping::kCrossbar ? "crossbar" : "linear") << "\"\n";
  }
  const fault::Protection& protection = model.protection;
  static const std::array<const char*, 3> codes = {"none", "parity", "secded"};
  toml << "[protection]\ncode = \"" << codes.at(static_cast<size_t>(protection.code))
       << "\"\nzero_detected = " << (protection.zero_detected ? "true" : "false")
       << "\nhardened_bits = " << protection.hardened_bits << "\nclip = \""
       << (protection.clip_to_golden ? "golden" : "none") << "\"\n";
  if (protection.clip_share) {
    toml << "clip_share = " << nlohmann::json(*protection.clip_share).dump() << "\n";
  }
  return toml.str();
}

/// The map of a file with the memory that it was drawn for, as far as it says.
std::tuple<FaultMap, FaultModel> read_map(const NetworkHandle& net,
                                          const std::filesystem::path& path) {
  const nb::gil_scoped_release nogil;
  const auto list = std::make_shared<fault::FaultList>(fault::read_fault_list(path));
  FaultModel model = FaultModel::of_kind(fault::FaultKind::kBitFlip);
  if (!list->encoding.empty()) model.encoding = fault::parse_encoding(list->encoding);
  if (list->protection) model.protection = *list->protection;
  model.array = list->array;
  FaultModel of_list = model;
  of_list.sources = {{.unit = fault::FaultUnit::kList, .list = list}};
  return {Injector(net.network, of_list).draw(0, 0, 0), model};
}

void bind_model(nb::module_& module) {
  using Self = const FaultModel&;
  nb::class_<FaultModel>(module, "FaultModel", "What decides which faults a memory meets.")
      .def_static("read", read_model, nb::arg("toml"), nb::arg("kind"), nb::arg("folder"),
                  "From the tables of a plan; `kind` for sources that name none.")
      .def("with_count", with_count, nb::arg("count"),
           "Exactly so many faults where a rate would decide.")
      .def_prop_ro("encoding", [](Self self) { return to_string(self.encoding); })
      .def_prop_ro("follows_rate", &FaultModel::follows_rate)
      .def_prop_ro("follows_kind", &FaultModel::follows_kind)
      .def("memory_toml", memory_toml, "How the memory stores words, as a plan's tables.")
      .def(
          "describe", [](Self self) { return fault::describe(self); }, "One line for people.")
      .def(
          "json", [](Self self) { return fault::to_json(self).dump(); },
          "Canonical form: equal for equal models.");
}

void bind_injector(nb::module_& module) {
  nb::class_<Injector>(module, "Injector", "Draws and applies maps of one network and model.")
      .def(
          "__init__",
          [](Injector* self, const NetworkHandle& net, const FaultModel& model) {
            const nb::gil_scoped_release nogil;
            new (self) Injector(net.network, model);
          },
          nb::arg("network"), nb::arg("model"))
      .def(
          "network", [](const Injector& self) { return NetworkHandle{self.network()}; },
          "As the memory stores it.")
      .def(
          "model", [](const Injector& self) { return self.model(); }, "A copy.")
      .def_prop_ro("saturated", &Injector::saturated)
      .def_prop_ro("clipped", &Injector::clipped)
      .def("draw", draw, nb::arg("rate"), nb::arg("seed"), nb::arg("trial"), "One trial's map.")
      .def("make", make_map, nb::arg("layer"), nb::arg("is_bias"), nb::arg("element"),
           nb::arg("bit"), nb::arg("kind"), "A map of given faults.")
      .def("columns", columns, nb::arg("map"), nb::arg("of_check_bits"),
           nb::sig("def columns(self, map: FaultMap, of_check_bits: bool) -> "
                   "dict[str, numpy.typing.NDArray[typing.Any]]"),
           "layer, is_bias, element, bit and kind.")
      .def(
          "add_check_faults",
          [](const Injector& self, FaultMap& map, const Column<int32_t>& layer,
             const Column<int64_t>& element, const Column<int8_t>& bit,
             const Column<uint8_t>& kind) {
            add_check_faults(map, self, layer, element, bit, kind);
          },
          nb::arg("map"), nb::arg("layer"), nb::arg("element"), nb::arg("bit"), nb::arg("kind"),
          "Faults in check bits, where a map has any.")
      .def(
          "counts",
          [](const Injector& self, const FaultMap& map) {
            return to_dict(apply(self, map).counts);
          },
          nb::arg("map"), nb::sig("def counts(self, map: FaultMap) -> dict[str, int]"),
          "What the map does: drawn, landed, corrected, ...")
      .def("faulty_codes", faulty_codes, nb::arg("rate"), nb::arg("seed"), nb::arg("trial"),
           "Codes of every layer under one trial's faults.")
      .def("faulty", faulty, nb::arg("map"), "The network with the map's faults in place.")
      .def("to_text", to_text, nb::arg("map"), nb::arg("extension"), nb::arg("rate"),
           nb::arg("seed"), nb::arg("trial"), "The text of a file that keeps the map.");
}

}  // namespace

void bind_faults(nb::module_& module) {
  bind_model(module);
  nb::class_<FaultMap>(module, "FaultMap", "Faulty stored bits of one trial.")
      .def(
          "__eq__", [](const FaultMap& self, const FaultMap& other) { return self == other; },
          nb::is_operator(), nb::sig("def __eq__(self, other: object, /) -> bool"))
      .def("__len__",
           [](const FaultMap& self) { return self.faults.size() + self.check_faults.size(); });
  bind_injector(module);
  module.def("read_map", read_map, nb::arg("network"), nb::arg("path"),
             "A map and the memory it was drawn for, from a file.");
}

}  // namespace flatenn::python
