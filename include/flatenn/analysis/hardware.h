#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "flatenn/base/config.h"

namespace flatenn::analysis {

enum class HardwareKind {
  kDense,         ///< Multiplies every pair of operands, zeros too.
  kZeroSkipping,  ///< Lanes skip multiplications by a zero activation (SCNN, Eyeriss v2).
  kInMemory,      ///< Weights stay in analog arrays; inputs enter bit by bit.
};

/// Which input codes a lane of a zero-skipping array works on.
enum class LaneAssignment {
  kSpatial,      ///< Tiles of the map, a grid of lanes, as SCNN's planar tiles.
  kChannel,      ///< Channel modulo lanes; linear layers: element modulo lanes.
  kInterleaved,  ///< Element (CHW) modulo lanes.
};

/// How activation codes lie in memory.
enum class ActivationCoding {
  kNone,       ///< Every code with all its bits.
  kBitmap,     ///< One bit an element, and the bits of the non-zero codes.
  kRunLength,  ///< (zeros before, code) pairs; a run longer than its field inserts a zero code.
};

/// Energies in picojoule. The digital defaults are those of Horowitz, "Computing's energy problem",
/// ISSCC 2014 (45 nm, 0.9 V): 8-bit multiply 0.2, 32-bit add 0.1, 64 bits from an 8 KB SRAM 10, 64
/// bits from DRAM 1,300 to 2,600 (the lower end here). The analog ones are an order of magnitude
/// for memristor arrays of 128 x 128 cells: put the numbers of your macro in their place.
struct EnergyTable {
  double multiply_8bit_pj = 0.2;  ///< Scaled by (weight bits * activation bits) / 64.
  double add_32bit_pj = 0.1;      ///< One accumulation; not scaled, accumulators stay 32 bits wide.
  double buffer_pj_per_bit = 0.15625;
  double dram_pj_per_bit = 20.3125;
  double adc_pj = 1.7;     ///< One conversion of one column (in-memory only).
  double row_pj = 0.4;     ///< Driving one row for one input bit that is 1 (in-memory only).
  double cell_pj = 0.002;  ///< One cell on a driven row (in-memory only).
};

/// An accelerator as a hardware file describes it; docs/cost.md tells the model.
struct Hardware {
  std::string name = "unnamed";
  HardwareKind kind = HardwareKind::kDense;
  double clock_mhz = 200;
  int64_t lanes = 64;
  int64_t macs_per_lane = 1;  ///< Per cycle.
  LaneAssignment assignment = LaneAssignment::kInterleaved;
  bool skip_zero_weights = false;  ///< kZeroSkipping: multiplications by zero weights too (SCNN).
  int64_t layer_overhead_cycles = 0;
  ActivationCoding coding = ActivationCoding::kNone;
  int64_t run_bits = 4;               ///< Width of the run field of kRunLength, 1..16.
  bool activations_off_chip = false;  ///< Activations between layers go through DRAM.
  int64_t weight_batch = 1;           ///< Images that share one fetch of all weights from DRAM.
  int64_t operand_reuse = 16;  ///< Multiplications served by one operand read from the buffer.
  int64_t rows = 128;          ///< Of one in-memory array.
  int64_t columns = 128;
  int64_t bits_per_cell = 2;
  int64_t arrays = 8;        ///< Arrays that work at the same time.
  bool differential = true;  ///< Two cells (w+ and w-) for each slice of a weight.
  EnergyTable energy;
};

/// Throws Error with file and line for unknown keys, zero lanes, negative energies and the like.
Hardware read_hardware(Config& config);
Hardware read_hardware(const std::filesystem::path& path);

/// Names of the descriptions that flatenn brings: "dense", "zero_skipping", "in_memory"
/// (configs/hardware/NAME.toml).
std::vector<std::string> shipped_hardware_names();
/// One of these by its name, else the file of that path. Throws Error as read_hardware() does.
Hardware find_hardware(const std::string& name_or_path);

std::string to_string(HardwareKind kind);
std::string to_string(ActivationCoding coding);

}  // namespace flatenn::analysis
