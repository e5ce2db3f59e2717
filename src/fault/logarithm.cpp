#include "fault/logarithm.h"

#include <cmath>

namespace flatenn::fault {
namespace {

// ln 2 in two parts; the high one has 21 zero bits at its end, so exponent * kLn2High is exact.
constexpr double kLn2High = 0x1.62e42feep-1;
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
constexpr double kSqrtHalf = 0x1.6a09e667f3bcdp-1;

// With s = f / (2 + f): log(1 + f) = 2 atanh(s) = f - s * (f - r(s^2)),
// r(z) = 2z/3 + 2z^2/5 + 2z^3/7 + ... ; |s| <= 0.1716, so nine terms leave less than 2^-55.
double series(double z) {
  double sum = 2.0 / 19;
  sum = sum * z + 2.0 / 17;
  sum = sum * z + 2.0 / 15;
  sum = sum * z + 2.0 / 13;
  sum = sum * z + 2.0 / 11;
  sum = sum * z + 2.0 / 9;
  sum = sum * z + 2.0 / 7;
  sum = sum * z + 2.0 / 5;
  sum = sum * z + 2.0 / 3;
  return sum * z;
}

}  // namespace

double negative_log(double u) {
  int exponent = 0;
  double mantissa = std::frexp(u, &exponent);  // exact, in [0.5, 1)
  if (mantissa < kSqrtHalf) {
    mantissa *= 2;
    --exponent;
  }
  const double f = mantissa - 1;  // exact
  const double s = f / (2 + f);
  const double correction = s * (f - series(s * s));
  const double scale = exponent;
  return ((correction - scale * kLn2Low) - f) - scale * kLn2High;
}

}  // namespace flatenn::fault
