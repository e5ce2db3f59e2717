#include "flatenn/analysis/hardware.h"

#include <array>
#include <utility>
#include <vector>

namespace flatenn::analysis {
namespace {

template <typename Enum, size_t n>
using Names = std::array<std::pair<const char*, Enum>, n>;

constexpr Names<HardwareKind, 3> kKinds = {{{"dense", HardwareKind::kDense},
                                            {"zero_skipping", HardwareKind::kZeroSkipping},
                                            {"in_memory", HardwareKind::kInMemory}}};
constexpr Names<LaneAssignment, 3> kAssignments = {{{"spatial", LaneAssignment::kSpatial},
                                                    {"channel", LaneAssignment::kChannel},
                                                    {"interleaved", LaneAssignment::kInterleaved}}};
constexpr Names<ActivationCoding, 3> kCodings = {{{"none", ActivationCoding::kNone},
                                                  {"bitmap", ActivationCoding::kBitmap},
                                                  {"run_length", ActivationCoding::kRunLength}}};

template <typename Enum, size_t n>
std::string name_of(const Names<Enum, n>& names, Enum value) {
  for (const auto& [name, candidate] : names) {
    if (candidate == value) return name;
  }
  return "unknown";
}

template <typename Enum, size_t n>
Enum read_choice(Config& config, const std::string& key, const Names<Enum, n>& names,
                 Enum fallback) {
  std::vector<std::string> choices;
  for (const auto& entry : names) choices.emplace_back(entry.first);
  const std::string name = config.get_choice(key, name_of(names, fallback), choices);
  for (const auto& [candidate, value] : names) {
    if (name == candidate) return value;
  }
  return fallback;
}

void read_energies(Config& config, EnergyTable& energy) {
  constexpr DoubleRange kNotNegative{.min = 0, .max = 1e12};
  const auto read = [&](const char* key, double& value) {
    value = config.get_double(std::string("energy.") + key, value, kNotNegative);
  };
  read("multiply_8bit_pj", energy.multiply_8bit_pj);
  read("add_32bit_pj", energy.add_32bit_pj);
  read("buffer_pj_per_bit", energy.buffer_pj_per_bit);
  read("dram_pj_per_bit", energy.dram_pj_per_bit);
  read("adc_pj", energy.adc_pj);
  read("row_pj", energy.row_pj);
  read("cell_pj", energy.cell_pj);
}

void read_array(Config& config, Hardware& hardware) {
  hardware.rows = config.get_int("array.rows", hardware.rows, {.min = 1});
  hardware.columns = config.get_int("array.columns", hardware.columns, {.min = 1});
  hardware.bits_per_cell = config.get_int("array.bits_per_cell", hardware.bits_per_cell, {1, 8});
  hardware.arrays = config.get_int("array.arrays", hardware.arrays, {.min = 1});
  hardware.differential = config.get_bool("array.differential", hardware.differential);
}

}  // namespace

std::string to_string(HardwareKind kind) { return name_of(kKinds, kind); }
std::string to_string(ActivationCoding coding) { return name_of(kCodings, coding); }

Hardware read_hardware(Config& config) {
  Hardware hardware;
  hardware.name = config.get_string("name", hardware.name);
  hardware.kind = read_choice(config, "kind", kKinds, hardware.kind);
  hardware.clock_mhz = config.get_double("clock_mhz", hardware.clock_mhz, DoubleRange{1e-3, 1e6});
  hardware.lanes = config.get_int("lanes", hardware.lanes, {.min = 1, .max = 1 << 20});
  hardware.macs_per_lane = config.get_int("macs_per_lane", hardware.macs_per_lane, {.min = 1});
  hardware.assignment = read_choice(config, "assignment", kAssignments, hardware.assignment);
  hardware.skip_zero_weights = config.get_bool("skip_zero_weights", false);
  if (hardware.skip_zero_weights && hardware.kind != HardwareKind::kZeroSkipping) {
    config.fail("skip_zero_weights", "is for kind zero_skipping");
  }
  hardware.layer_overhead_cycles =
      config.get_int("layer_overhead_cycles", hardware.layer_overhead_cycles, {.min = 0});
  hardware.coding = read_choice(config, "activation.coding", kCodings, hardware.coding);
  hardware.run_bits = config.get_int("activation.run_bits", hardware.run_bits, {1, 16});
  hardware.activations_off_chip =
      config.get_bool("activation.off_chip", hardware.activations_off_chip);
  hardware.weight_batch = config.get_int("weight_batch", hardware.weight_batch, {.min = 1});
  hardware.operand_reuse = config.get_int("operand_reuse", hardware.operand_reuse, {.min = 1});
  read_array(config, hardware);
  read_energies(config, hardware.energy);
  config.check_all_read();
  return hardware;
}

Hardware read_hardware(const std::filesystem::path& path) {
  Config config = Config::from_file(path);
  return read_hardware(config);
}

}  // namespace flatenn::analysis
