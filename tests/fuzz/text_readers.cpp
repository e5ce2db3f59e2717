#include <array>
#include <nlohmann/json.hpp>

#include "fault/test_network.h"
#include "flatenn/analysis/hardware.h"
#include "flatenn/base/config.h"
#include "flatenn/campaign/plan.h"
#include "flatenn/fault/fault_config.h"
#include "flatenn/fault/fault_list.h"
#include "flatenn/fault/injector.h"
#include "flatenn/fault/voltage.h"
#include "flatenn/report/findings.h"
#include "readers.h"

namespace flatenn::fuzz {
namespace {

std::shared_ptr<const net::Network> network() {
  return fault::make_test_network({{"conv1", {4, 2, 3, 3}, 4}, {"fc1", {10, 8, 1, 1}, 8}});
}

void read_toml(const std::string& bytes) {
  Config config = Config::from_string(bytes, "fuzz.toml");
  config.get_double("rate", 0, DoubleRange{0, 1});
  config.get_strings("names", {});
  config.get_ints("numbers", {});
}

std::vector<std::string> toml_seeds() {
  return {"rate = 0.5\nnames = [\"a\", 'b']\nnumbers = [1, -2_000, 0x1f]\n",
          "[a.b]\nc = {d = 1e-40, e = [[1], [2]]}\n[[a.f]]\nx = 1979-05-27T07:32:00Z\n# end"};
}

void read_hardware(const std::string& bytes) {
  Config config = Config::from_string(bytes, "fuzz.toml");
  analysis::read_hardware(config);
}

std::vector<std::string> hardware_seeds() {
  return {
      "name = \"a\"\nkind = \"zero_skipping\"\nlanes = 64\nassignment = \"spatial\"\n"
      "[activation]\ncoding = \"run_length\"\nrun_bits = 4\n[energy]\nadc_pj = 1.5\n",
      "kind = \"in_memory\"\n[array]\nrows = 128\nbits_per_cell = 2\n"};
}

/// A plan, and what its faults do to a network.
void read_plan(const std::string& bytes) {
  Config config = Config::from_string(bytes, "fuzz.toml");
  const campaign::Plan plan = campaign::read_plan(config);
  const fault::Injector injector(network(), plan.kinds.front().model);
  if (plan.levels.front().count.value_or(0) > 0) return;
  injector.check_rate(plan.levels.front().rate);
  injector.inject(plan.levels.front().rate, plan.seed, 0);
}

std::vector<std::string> plan_seeds() {
  return {
      "models = [\"a.onnx\"]\nkinds = [\"bit_flip\", \"flip_0_to_1\"]\nrates = [0.001, 0.1]\n"
      "seed = 3\ntrials = 20\nimages = \"auto\"\nhalf_width = 0.01\n",
      "models = [\"a.onnx\"]\n[memory]\nencoding = \"gray\"\n[memory.array]\nrows = 16\n"
      "[[faults]]\nunit = \"row\"\nrate = 0.1\n[[faults]]\nunit = \"word\"\nlength = 2\n"
      "[protection]\ncode = \"secded\"\nclip_share = 0.5\n",
      "models = [\"a.onnx\"]\n[[faults]]\nunit = \"level\"\nrate = 0.02\ndrift_time = 100\n"
      "drift_exponent = 0.05\n[[faults]]\nrate_0_to_1 = 0.1\nrate_1_to_0 = 0.2\n",
      "models = [\"a.onnx\"]\nsingle_fault = \"sampled\"\nsingle_fault_error = 0.1\n"};
}

/// A list, and what it does to a network.
void read_faults(const std::string& path) {
  const auto list = std::make_shared<fault::FaultList>(fault::read_fault_list(path));
  fault::FaultModel model{.sources = {{.unit = fault::FaultUnit::kList, .list = list}}};
  model.array = list->array.value_or(fault::ArrayGeometry{});
  if (list->protection) model.protection = *list->protection;
  const fault::Injector injector(network(), model);
  injector.inject(0, 0, 0);
}

void read_csv(const std::string& bytes) { read_faults(file_of(bytes, "map.csv")); }
void read_json(const std::string& bytes) { read_faults(file_of(bytes, "map.json")); }

fault::FaultMap map_of(const fault::Injector& injector) { return injector.draw(0.02, 1, 0); }

std::vector<std::string> csv_seeds() {
  const fault::Injector injector(network(), fault::FaultModel::of_kind(fault::FaultKind::kBitFlip));
  return {fault::fault_map_csv(map_of(injector), injector.layout()),
          "array,row,column,kind\n0,1,2,stuck_at_0\n"};
}

std::vector<std::string> json_seeds() {
  fault::FaultModel model = fault::FaultModel::of_kind(fault::FaultKind::kFlip0To1);
  model.protection.code = fault::CheckCode::kSecded;
  const fault::Injector injector(network(), model);
  return {fault::fault_map_json(map_of(injector), injector.layout(),
                                {.model = fault::to_json(model).dump(), .rate = 0.02}),
          R"([{"layer": "fc1", "index": [1, 2, 0, 0], "bit": 3, "kind": "stuck_at_1"}])"};
}

void read_voltages(const std::string& bytes) {
  fault::VoltageTable::parse(bytes, "fuzz.csv").rate(0.7);
}

std::vector<std::string> voltage_seeds() { return {"voltage,rate\n0.6,0.01\n0.8,1e-6\n0.9,0\n"}; }

void read_result(const std::string& bytes) {
  (void)report::collect({file_of(bytes, "result.json")});
}

std::vector<std::string> result_seeds() {
  return {R"({"flatenn_result": "study", "title": "a", "claims": [], "commands": ["x"]})",
          R"({"flatenn_result": "other", "result": [1, null, {"a": -1e308}]})"};
}

constexpr std::array<Reader, 7> kReaders = {{{"toml", read_toml, toml_seeds},
                                             {"hardware", read_hardware, hardware_seeds},
                                             {"plan", read_plan, plan_seeds},
                                             {"fault_csv", read_csv, csv_seeds},
                                             {"fault_json", read_json, json_seeds},
                                             {"voltages", read_voltages, voltage_seeds},
                                             {"result", read_result, result_seeds}}};

}  // namespace

std::span<const Reader> text_readers() { return kReaders; }

}  // namespace flatenn::fuzz
