#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace flatenn {

/// What a random stream decides. Values are part of every result: append, never renumber.
enum class RandomPurpose : uint16_t {
  kWeightFault = 1,      ///< Is a stored weight bit faulty (sub_a: tensor, sub_b: bit).
  kFaultKind = 2,        ///< Which kind a faulty bit has, in a mix.
  kExactCount = 3,       ///< Sites of maps with an exact number of faults.
  kActivationFault = 4,  ///< Faults in activation codes.
  kBiasFault = 5,        ///< Faults in stored biases.
  kCheckBitFault = 6,    ///< Faults in check bits of a protected memory.
  kArrayFault = 7,       ///< Faulty rows, columns and cells of a memory array.
  kImageSubset = 8,      ///< Which images a trial looks at.
  kShuffle = 9,          ///< Order of training images in an epoch.
  kAugmentation = 10,    ///< Crop and flip of one training image.
  kInitialization = 11,  ///< Initial weights.
  kDirection = 12,       ///< Directions in weight space (landscapes, probes).
  kBootstrap = 13,       ///< Bootstrap resamples.
  kHoldOut = 14,         ///< Which training images are held out.
  kPilot = 15,           ///< Trials of a pilot, never part of a result.
  kSampledFault = 16,    ///< Sites of single-fault campaigns.
  kTrainingFault = 17,   ///< Seed of the fault maps that a training draws.
  kTrainingNoise = 18,   ///< Seeds of the noise on a training's activations.
};

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the
/// 128-bit block for a counter and key. Checked against the authors' known answers.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// A stream of random numbers that is a function of (seed, trial, purpose, sub_a, sub_b) alone: the
/// same alone, on eight threads, on a GPU, or after a resume.
///
/// The key is the seed; the counter holds (block, trial, purpose * 65536 + sub_b, sub_a). Throws
/// Error where trial or sub_a reach 2^32 or sub_b reaches 2^16. A stream yields 2^34 words.
class RandomStream {
 public:
  RandomStream(uint64_t seed, uint64_t trial, RandomPurpose purpose, uint64_t sub_a = 0,
               uint64_t sub_b = 0);

  uint32_t next_u32();
  uint64_t next_u64();             ///< Two words, the first one low.
  void fill(std::span<uint64_t>);  ///< As next_u64() for each; severalfold faster for many.
  double uniform();                ///< In [0, 1), a multiple of 2^-53.
  double open_uniform();           ///< In (0, 1): an odd multiple of 2^-53.
  uint64_t below(uint64_t bound);  ///< Unbiased in [0, bound) (Lemire's method); bound > 0.
  double normal();                 ///< Standard normal (Box-Muller, one of a pair a call).

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace flatenn
