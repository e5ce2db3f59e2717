#pragma once

#include <cstdint>
#include <functional>
#include <vector>

/// What TensorFlow Lite's reference kernels make of each code of an 8-bit tensor, by their own
/// arithmetic, so that a table of codes says exactly the same.
namespace flatenn::interop {

struct TfliteCodes {
  float scale = 1;
  int zero_point = 0;
  int min_code = -128;
  int max_code = 127;
};

/// The code of `dst` for a code of `src`.
using CodeFunction = std::function<int(int)>;

/// The code of another scale or zero point (QUANTIZE of codes).
CodeFunction requantize_codes(const TfliteCodes& src, const TfliteCodes& dst);
/// The same as CONCATENATION does it for uint8, in float.
CodeFunction rescale_codes(const TfliteCodes& src, const TfliteCodes& dst);
/// RELU and its kin: clamped to [low, high].
CodeFunction relu_codes(const TfliteCodes& src, const TfliteCodes& dst, float low, float high);
CodeFunction leaky_relu_codes(const TfliteCodes& src, const TfliteCodes& dst, float alpha);
/// x * relu6(x + 3) / 6 in 16-bit integers. Throws Error where dst's scale is below src's / 128,
/// which the kernel refuses.
CodeFunction hard_swish_codes(const TfliteCodes& src, const TfliteCodes& dst);
/// Any function, in float32: half away from zero.
CodeFunction float_codes(const TfliteCodes& src, const TfliteCodes& dst,
                         const std::function<float(float)>& function);

/// The limits of codes that a fused activation [low, high] leaves.
struct CodeLimits {
  int low = 0;
  int high = 0;
};
CodeLimits activation_limits(const TfliteCodes& dst, float low, float high);

}  // namespace flatenn::interop
