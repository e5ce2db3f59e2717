#pragma once

#include <cstdint>
#include <vector>

#include "fault/random_bits.h"
#include "fault/weight_reader.h"

namespace flatenn::fault {

/// The levels that one cell can be set to: whole numbers.
struct LevelRange {
  int low = 0;
  int high = 0;
};

/// The standard normal quantile of u in (0, 1), the same bits on every machine, within 1e-15
/// relative: Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied
/// Statistics 37(3), 1988 (PPND16).
double normal_deviate(double u);

/// exp(x) for |x| <= 700, the same bits on every machine, within 1e-15 relative.
double exponential(double x);

/// One cell's own chances, in levels: (level + programmed) (t / t0)^-nu + read.
struct CellNoise {
  double programmed = 0;
  double nu = 0;
  double read = 0;
};

/// What a cell set to `level` reads as, rounded half to even and within the range.
/// `log_time_ratio`: ln(t / t0).
int read_level(int level, const LevelRange& range, double log_time_ratio, const CellNoise& noise);

/// Noise and drift of all levels of the selected weights (docs/faults.md): one level a code, two a
/// differential pair. `sigma_share` is the noise's standard deviation as a share of the range of
/// levels. Appends the stored bits that read otherwise, as flips in population order.
void draw_levels(const FaultSource& source, const Selection& selection, const StoredNetwork& stored,
                 double sigma_share, const DrawKey& key, std::vector<Fault>& faults);

}  // namespace flatenn::fault
