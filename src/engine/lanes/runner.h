#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/isa.h"
#include "engine/lanes/buffers.h"
#include "engine/lanes/program.h"
#include "engine/lanes/weights.h"

namespace flatenn::engine::lanes {

struct Kernels {
  Isa isa = Isa::kBaseline;
  const char* name = "";
  Dot dot = nullptr;
  Requantize requantize = nullptr;
  Peak peak = nullptr;
  WinogradInput winograd_input = nullptr;
  WinogradOutput winograd_output = nullptr;
  TileDot tile_dot = nullptr;
  UseTiles use_tiles = nullptr;
};
/// The best ones that `isa` allows.
const Kernels& kernels_for(Isa isa);

/// What a step computes on its way.
struct Scratch {
  AlignedVector<int32_t> acc;
  AlignedVector<int32_t> outputs;  ///< Of Winograd's filtering, as is the next one.
  std::unique_ptr<AlignedBytes> transformed;
};

/// Memory of one thread.
struct Workspace {
  Workspace(const Program& program, const std::vector<Layout>& layouts, int64_t lane_groups,
            int64_t classes);
  ChunkBuffers golden;
  ChunkBuffers faulty;
  Scratch scratch;
  std::vector<float> logits;  ///< [lane_groups * 16, classes]
};

/// Reads and writes of one step.
struct StepBuffers {
  const uint8_t* src = nullptr;
  const uint8_t* skip = nullptr;
  uint8_t* dst = nullptr;
  float* logits = nullptr;  ///< [lane_groups * 16, classes], where dst is null.
};

/// Runs steps of a network with one set of kernels.
class Runner {
 public:
  Runner(const net::Network& network, const std::vector<Layout>& layouts, const Kernels& kernels);
  void run(const Step& step, const NetworkWeights& weights, const StepBuffers& buffers,
           int64_t lane_groups, Scratch& scratch) const;

 private:
  struct LayerConstants {
    std::vector<float> multiplier;
    float skip_multiplier = 0;
    float low = 0;
    float high = 0;
  };
  static RequantizeArgs requantize_args(const LayerConstants& constants,
                                        const LayerWeights& weights, const Block& block);
  void run_layer(const LayerPlan& plan, const LayerWeights& weights, const StepBuffers& buffers,
                 int64_t lane_groups, int32_t* acc) const;
  void run_winograd(const WinogradPlan& plan, const LayerWeights& weights,
                    const StepBuffers& buffers, Scratch& scratch) const;
  void run_winograd_blocks(const WinogradPlan& plan, const LayerWeights& weights,
                           std::span<const Block> blocks, int64_t first_tile, int64_t tiles,
                           const StepBuffers& buffers, Scratch& scratch) const;
  void sum_winograd_blocks(const WinogradPlan& plan, const LayerWeights& weights,
                           std::span<const Block> blocks, int64_t tiles, Scratch& scratch) const;
  /// Outputs and channels whose products are summed together.
  struct TileBand {
    int64_t tile = 0;  ///< The first of `tiles` of kTileRows channels.
    int64_t tiles = 0;
    int64_t first = 0;  ///< The first of `outputs` pixels of the plan.
    int64_t outputs = 0;
    int64_t channel = 0;   ///< The first of `channels` of the layer: those of the tiles that
    int64_t channels = 0;  ///< exist.
  };
  void run_tiled(const TiledPlan& plan, const LayerWeights& weights, const StepBuffers& buffers,
                 Scratch& scratch) const;
  static TileBand tile_band(const TiledPlan& plan, int64_t tile, int64_t first);
  void sum_tile_band(const TiledPlan& plan, const LayerWeights& weights, const TileBand& band,
                     const StepBuffers& buffers, const TileCodesArgs* behind, int32_t* acc) const;
  TileCodesArgs tile_codes(const TiledPlan& plan, const LayerWeights& weights, const TileBand& band,
                           const StepBuffers& buffers, const int32_t* acc) const;
  void requantize_tiles(const TiledPlan& plan, const LayerWeights& weights, const TileBand& band,
                        const int32_t* acc, const StepBuffers& buffers) const;
  /// Pixels of a plan.
  struct Outputs {
    int64_t first = 0;
    int64_t count = 0;
  };
  /// [channels][outputs][kLanes].
  struct Sums {
    const int32_t* acc = nullptr;
    int64_t stride = 0;  ///< int32s from one channel to the next.
  };
  void requantize_outputs(const UnpooledPlan& plan, const LayerWeights& weights, const Block& block,
                          const Outputs& outputs, const Sums& sums,
                          const StepBuffers& buffers) const;
  void run_pool_step(const PoolPlan& pool, const StepBuffers& buffers, int64_t lane_groups) const;
  StepBuffers at_group(const StepBuffers& buffers, const net::Layer& layer, int64_t dst,
                       int64_t group) const;
  void run_band(const LayerPlan& plan, const LayerWeights& weights, const Band& band,
                int64_t first_row, const StepBuffers& buffers, int32_t* acc) const;
  void sum_block(const LayerPlan& plan, const LayerWeights& weights, const Band& band, size_t block,
                 const uint8_t* src, int32_t* acc) const;
  void write_logits(const LayerPlan& plan, const LayerWeights& weights, const Band& band,
                    const Block& block, int64_t first_row, const StepBuffers& buffers,
                    const int32_t* acc) const;

  const net::Network& network_;
  const std::vector<Layout>& layouts_;
  const Kernels& kernels_;
  std::vector<LayerConstants> constants_;  ///< [layers]
};

}  // namespace flatenn::engine::lanes
