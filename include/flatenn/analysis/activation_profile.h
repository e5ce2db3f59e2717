#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "flatenn/analysis/hardware.h"
#include "flatenn/net/network.h"

namespace flatenn::analysis {

/// Exact counts over the real activation maps that one multiplying layer reads; sums over images.
struct LayerCounts {
  int64_t images = 0;
  int64_t elements = 0;    ///< Codes read (padding is not stored).
  int64_t zeros = 0;       ///< Zero codes among them.
  int64_t dense_macs = 0;  ///< All, those on padding included.
  int64_t padding_macs = 0;
  int64_t zero_macs = 0;          ///< On zero codes, padding excluded.
  int64_t zero_weight_macs = 0;   ///< On other codes and zero weights, where these are skipped.
  int64_t slowest_lane_macs = 0;  ///< The busiest lane's non-zero MACs of each image, summed.
  int64_t row_activations = 0;    ///< Input bits that are 1, once for each window that reads them.

  int64_t effective_macs() const {
    return dense_macs - padding_macs - zero_macs - zero_weight_macs;
  }
};

/// How many output positions read each input coordinate: code (y, x) is read by y[y] * x[x]
/// windows.
struct WindowUses {
  std::vector<int64_t> y;
  std::vector<int64_t> x;
  int64_t output_positions = 0;
};
WindowUses window_uses(const net::Network& network, const net::Layer& layer);

/// How lanes share a map of height x width: a grid of equal tiles, one a lane, as close to square
/// as the number of lanes allows, with the longer side of the grid along the longer side of the
/// map.
struct PlanarTiles {
  int64_t columns = 1;      ///< Of the grid.
  int64_t tile_height = 1;  ///< In elements; tiles at the far edges may be smaller or empty.
  int64_t tile_width = 1;
  int64_t lane_of(int64_t y, int64_t x) const { return y / tile_height * columns + x / tile_width; }
};
PlanarTiles planar_tiles(int64_t height, int64_t width, int64_t lanes);

/// Counts for one layer on one piece of hardware, one image after the other.
class LayerProfiler {
 public:
  /// Throws Error where `layer` does not multiply.
  LayerProfiler(const net::Network& network, const net::Layer& layer, const Hardware& hardware);
  void add_image(std::span<const int16_t> codes);  ///< CHW row-major.
  const LayerCounts& counts() const { return counts_; }

 private:
  int64_t lane_of(int64_t element) const;

  net::Shape shape_;
  int bits_;
  int64_t outputs_per_input_;  ///< Output channels that read one input channel.
  bool is_linear_;
  LaneAssignment assignment_;
  PlanarTiles tiles_;
  std::vector<int64_t> lane_work_;
  WindowUses uses_;
  int64_t layer_macs_;
  int64_t layer_used_macs_ = 0;  ///< Without those on padding.
  std::vector<int64_t> work_;    ///< Of each element with non-zero weights; empty: all count.
  LayerCounts counts_;
};

/// Bits that one image's codes take in memory.
int64_t coded_bits(std::span<const int16_t> codes, int bits, ActivationCoding coding,
                   int64_t run_bits);

}  // namespace flatenn::analysis
