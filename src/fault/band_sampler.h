#pragma once

#include <cstdint>
#include <vector>

#include "flatenn/base/random.h"

namespace flatenn::fault {

class WordQueue;

/// A faulty position of one stream.
struct Hit {
  int64_t index = 0;
  double u = 0;        ///< The position's own uniform; faulty at every rate above it.
  double kind = 0;     ///< Second uniform, in [0, 1); 0 where no stream was given for it.
  double pattern = 0;  ///< Third uniform, likewise.
};

/// Draws the positions in [0, count) whose uniform lies below a rate, in time proportional to their
/// number.
///
/// The uniforms are drawn in dyadic bands, first [0, 2^-40), then [2^-(j+1), 2^-j) for j = 39..0.
/// Within a band the chance that a position not hit in a lower one is hit is r = 2^-(j+1) /
/// (1 - 2^-(j+1)); hits are found by jumping ahead by floor(log(U) / log(1 - r)) positions, those
/// of lower bands are dropped, and a hit's place within the band is drawn uniformly. A rate reads
/// the bands up to its own, so what lies below a rate does not depend on which rate was asked for.
class BandSampler {
 public:
  /// Streams that yield one uniform for each hit, in the order in which hits are drawn; null: none.
  struct Marks {
    RandomStream* kind = nullptr;
    RandomStream* pattern = nullptr;
  };
  /// Hits in rising order of index, valid until the next call. `stream` is fresh, and used up.
  const std::vector<Hit>& sample(RandomStream& stream, const Marks& marks, int64_t count,
                                 double rate);

 private:
  void draw_band(WordQueue& words, const Marks& marks, int64_t count, int band);
  void merge_band();

  std::vector<Hit> hits_;  ///< Of the bands so far, indices rising.
  std::vector<Hit> band_;
  std::vector<Hit> merged_;
};

}  // namespace flatenn::fault
