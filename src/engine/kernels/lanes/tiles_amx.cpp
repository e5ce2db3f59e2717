#include "engine/kernels/lanes/lanes_avx512vnni.h"
#include "engine/kernels/lanes/tiles_portable.h"

namespace flatenn::engine::lanes {
namespace {

/// AMX's tile registers; the assembler's names, since compilers' intrinsics take literals only.
struct AmxTiles {
  static constexpr int64_t kRow = kVectorBytes;
  template <int R>
  static void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(R));
  }
  template <int R>
  static void load(const void* from) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(kRow), "i"(R) : "memory");
  }
  template <int R>
  static void store(void* to) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(kRow), "i"(R) : "memory");
  }
  template <int Sum, int Weights, int Codes>
  static void dot() {
    asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sum), "i"(Weights), "i"(Codes));
  }
};

/// The shapes of all registers: Intel's palette 1.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
  TileConfig() {
    std::fill_n(row_bytes, 8, uint16_t{kVectorBytes});
    std::fill_n(rows, 8, uint8_t{kTileRows});
  }
};

}  // namespace

void use_tiles_amx(bool on) {
  static const TileConfig config;
  if (on) {
    asm volatile("ldtilecfg %0" : : "m"(config));
  } else {
    asm volatile("tilerelease");
  }
}

void tile_dot_amx(const TileDotArgs& args) { tile_dot_any<AmxTiles, Avx512Vnni>(args); }
void tile_dot_avx512vnni(const TileDotArgs& args) { tile_dot_any<PortableTiles, Avx512Vnni>(args); }

int64_t peak_u8s8s32_amx(int64_t rounds) {
  use_tiles_amx(true);
  AmxTiles::zero<4>();
  AmxTiles::zero<6>();
  for (int64_t r = 0; r < rounds; ++r) {
    AmxTiles::dot<0, 4, 6>();
    AmxTiles::dot<1, 4, 6>();
    AmxTiles::dot<2, 4, 6>();
    AmxTiles::dot<3, 4, 6>();
  }
  use_tiles_amx(false);
  return rounds * 4 * kTileRows * kVectorBytes * kLanes;
}

}  // namespace flatenn::engine::lanes
