#pragma once

#include <span>

#include "calibration/histogram.h"
#include "flatenn/calibration/calibrate.h"
#include "flatenn/net/network.h"

namespace flatenn::calibration {

/// Codes of an activation without its name and shape.
struct Codes {
  int bits = 8;
  bool is_signed = false;
  float scale = 1;
  int zero_point = 0;

  int min_code() const { return is_signed ? -(1 << (bits - 1)) : 0; }
  int max_code() const { return is_signed ? (1 << (bits - 1)) - 1 : (1 << bits) - 1; }
  /// clamp(round-half-even(value / scale) + zero_point).
  int code(float value) const;
  float real(int code) const { return scale * static_cast<float>(code - zero_point); }
  float quantized(float value) const { return real(code(value)); }
};

/// The codes that cover a range: unsigned with zero point 0 where it has no negative part; signed
/// with zero point 0 where their step is at most a quarter wider than with a zero point; else
/// unsigned with one. The scale of an empty range is 1.
Codes cover(const Range& range, int bits);
/// Signed codes with zero point 0 that cover it from -(2^(bits-1) - 1).
Codes cover_symmetric(const Range& range, int bits);

/// cover() or cover_symmetric().
using Cover = Codes (*)(const Range& range, int bits);

/// The range that a method chooses.
Range choose_range(const Histogram& values, const CalibrationOptions& options, Cover how, int bits);

/// Mean squared error of the counted values where each becomes its code; a bin's values count as
/// its center.
double mean_squared_error(const Histogram& values, const Codes& codes);

}  // namespace flatenn::calibration
