#include "fault/level_noise.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "fault/logarithm.h"

namespace flatenn::fault {
namespace {

using Coefficients = std::array<double, 8>;

/// Of powers 0 to 7.
double polynomial(const Coefficients& coefficients, double x) {
  double sum = 0;
  for (size_t i = coefficients.size(); i-- > 0;) sum = sum * x + coefficients[i];
  return sum;
}

double ratio(const Coefficients& above, const Coefficients& below, double x) {
  return polynomial(above, x) / polynomial(below, x);
}

/// Near the middle: |u - 0.5| <= 0.425, of q = u - 0.5.
double central_deviate(double q) {
  constexpr Coefficients kAbove = {3.3871328727963666080e0, 1.3314166789178437745e2,
                                   1.9715909503065514427e3, 1.3731693765509461125e4,
                                   4.5921953931549871457e4, 6.7265770927008700853e4,
                                   3.3430575583588128105e4, 2.5090809287301226727e3};
  constexpr Coefficients kBelow = {1.0,
                                   4.2313330701600911252e1,
                                   6.8718700749205790830e2,
                                   5.3941960214247511077e3,
                                   2.1213794301586595867e4,
                                   3.9307895800092710610e4,
                                   2.8729085735721942674e4,
                                   5.2264952788528545610e3};
  return q * ratio(kAbove, kBelow, 0.180625 - q * q);
}

/// Size of the deviate that a tail of probability `tail` leaves outside.
double tail_deviate(double tail) {
  constexpr Coefficients kNearAbove = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                       5.76949722146069140550e0,  3.64784832476320460504e0,
                                       1.27045825245236838258e0,  2.41780725177450611770e-1,
                                       2.27238449892691845833e-2, 7.74545014278341407640e-4};
  constexpr Coefficients kNearBelow = {1.0,
                                       2.05319162663775882187e0,
                                       1.67638483018380384940e0,
                                       6.89767334985100004550e-1,
                                       1.48103976427480074590e-1,
                                       1.51986665636164571966e-2,
                                       5.47593808499534494600e-4,
                                       1.05075007164441684324e-9};
  constexpr Coefficients kFarAbove = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                      1.78482653991729133580e0,  2.96560571828504891230e-1,
                                      2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                      2.71155556874348757815e-5, 2.01033439929228813265e-7};
  constexpr Coefficients kFarBelow = {1.0,
                                      5.99832206555887937690e-1,
                                      1.36929880922735805310e-1,
                                      1.48753612908506148525e-2,
                                      7.86869131145613259100e-4,
                                      1.84631831751005468180e-5,
                                      1.42151175831644588870e-7,
                                      2.04426310338993978564e-15};
  const double r = std::sqrt(negative_log(tail));
  return r <= 5 ? ratio(kNearAbove, kNearBelow, r - 1.6) : ratio(kFarAbove, kFarBelow, r - 5);
}

/// One normal deviate a cell, scaled; 0 without a draw where the scale is 0.
class Deviates {
 public:
  Deviates(double scale, const DrawKey& key, int64_t ordinal, StreamNumber number)
      : scale_(scale),
        stream_(key.seed, key.trial, RandomPurpose::kWeightFault, static_cast<uint64_t>(ordinal),
                key.source << 8 | number) {}
  double next() { return scale_ > 0 ? scale_ * normal_deviate(stream_.open_uniform()) : 0; }

 private:
  double scale_;
  RandomStream stream_;
};

/// Reads one cell after the other.
class Cells {
 public:
  Cells(const FaultSource& source, const LevelRange& range, double sigma_share, const DrawKey& key,
        int64_t ordinal)
      : range_(range),
        exponent_(source.drift.exponent),
        log_time_ratio_(source.drift.time_ratio > 1 ? negative_log(1 / source.drift.time_ratio)
                                                    : 0),
        programmed_(sigma_share * (range.high - range.low), key, ordinal, kLevelNoise),
        spread_(log_time_ratio_ > 0 ? source.drift.spread : 0, key, ordinal, kLevelDrift),
        read_(source.drift.read_noise * (range.high - range.low), key, ordinal, kReadNoise) {}
  int read(int level) {
    const CellNoise noise{
        .programmed = programmed_.next(), .nu = exponent_ + spread_.next(), .read = read_.next()};
    return read_level(level, range_, log_time_ratio_, noise);
  }

 private:
  LevelRange range_;
  double exponent_;
  double log_time_ratio_;
  Deviates programmed_;
  Deviates spread_;
  Deviates read_;
};

LevelRange range_of(const MemoryTensor& tensor, Encoding encoding) {
  const int half = 1 << (tensor.code_bits - 1);
  if (encoding == Encoding::kDifferentialPair) return {.low = 0, .high = half - 1};
  return {.low = has_lowest(encoding) ? -half : 1 - half, .high = half - 1};
}

/// The word of a code whose levels are read by `cells`.
uint32_t read_word(int8_t code, uint32_t word, const MemoryTensor& tensor, Encoding encoding,
                   Cells& cells) {
  if (encoding != Encoding::kDifferentialPair) {
    return encode(static_cast<int8_t>(cells.read(code)), tensor.code_bits, encoding);
  }
  const int bits = tensor.code_bits - 1;
  const auto mask = (uint32_t{1} << bits) - 1;
  const auto plus = static_cast<uint32_t>(cells.read(static_cast<int>(word & mask)));
  const auto minus = static_cast<uint32_t>(cells.read(static_cast<int>(word >> bits)));
  return plus | minus << bits;
}

}  // namespace

double normal_deviate(double u) {
  const double q = u - 0.5;
  if (std::abs(q) <= 0.425) return central_deviate(q);
  return q < 0 ? -tail_deviate(u) : tail_deviate(1 - u);
}

double exponential(double x) {
  constexpr double kLog2E = 1.4426950408889634074;
  const double n = std::nearbyint(x * kLog2E);
  const double r = (x - n * logarithm::kLn2High) - n * logarithm::kLn2Low;  // |r| <= 0.35
  double sum = 1;
  for (int i = 16; i > 0; --i) sum = 1 + sum * r / i;
  return std::ldexp(sum, static_cast<int>(n));
}

int read_level(int level, const LevelRange& range, double log_time_ratio, const CellNoise& noise) {
  const double kept = log_time_ratio > 0 ? exponential(-noise.nu * log_time_ratio) : 1;
  const double read = (level + noise.programmed) * kept + noise.read;
  return static_cast<int>(std::nearbyint(std::clamp<double>(read, range.low, range.high)));
}

void draw_levels(const FaultSource& source, const Selection& selection, const StoredNetwork& stored,
                 double sigma_share, const DrawKey& key, std::vector<Fault>& faults) {
  const Encoding encoding = stored.model.encoding;
  for (const SelectedTensor& selected : selection) {
    const auto index = static_cast<size_t>(selected.tensor);
    const MemoryTensor& tensor = stored.layout.tensors[index];
    const auto& codes = stored.network.layers[static_cast<size_t>(tensor.layer)].weights.codes;
    Cells cells(source, range_of(tensor, encoding), sigma_share, key, tensor.ordinal);
    for (int64_t element = 0; element < tensor.elements; ++element) {
      const int8_t code = codes[static_cast<size_t>(element)];
      const uint32_t word = stored.tables[index].word(code);
      const uint32_t difference = word ^ read_word(code, word, tensor, encoding, cells);
      for (int32_t bit = 0; difference >> bit != 0; ++bit) {
        if ((difference >> bit & 1) == 0) continue;
        faults.push_back({{selected.tensor, bit, element}, FaultKind::kBitFlip});
      }
    }
  }
}

}  // namespace flatenn::fault
