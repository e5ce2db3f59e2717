#pragma once

#include <cstring>

#include "engine/kernels/lanes/tiles_impl.h"

namespace flatenn::engine::lanes {
namespace {

/// Tile registers in memory.
struct PortableTiles {
  static constexpr int kRegisters = 8;
  using Row = uint8_t[kVectorBytes];
  inline static thread_local Row registers[kRegisters][kTileRows];

  template <int R>
  static void zero() {
    std::memset(registers[R], 0, sizeof(registers[R]));
  }
  template <int R>
  static void load(const void* from) {
    std::memcpy(registers[R], from, sizeof(registers[R]));
  }
  template <int R>
  static void store(void* to) {
    std::memcpy(to, registers[R], sizeof(registers[R]));
  }
  template <int Sum, int Weights, int Codes>
  static void dot() {
    for (int row = 0; row < kTileRows; ++row) {
      uint32_t sums[kLanes];
      std::memcpy(sums, registers[Sum][row], sizeof(sums));
      for (int k = 0; k < kVectorBytes; ++k) {
        const int weight = static_cast<int8_t>(registers[Weights][row][k]);
        const uint8_t* codes = registers[Codes][k / 4] + k % 4;
        for (int lane = 0; lane < kLanes; ++lane) {
          sums[lane] += static_cast<uint32_t>(weight * codes[4 * lane]);
        }
      }
      std::memcpy(registers[Sum][row], sums, sizeof(sums));
    }
  }
};

}  // namespace
}  // namespace flatenn::engine::lanes
