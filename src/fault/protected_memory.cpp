#include "fault/protected_memory.h"

#include <algorithm>
#include <bit>

#include "fault/secded.h"
#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

constexpr int64_t kBlockBits = 64;

uint32_t parity_of(uint32_t word) { return static_cast<uint32_t>(std::popcount(word)) & 1U; }

uint32_t stored_word(const net::Weights& weights, Encoding encoding, int64_t element) {
  return encode(weights.codes[static_cast<size_t>(element)], weights.bits, encoding);
}

void read_parity(const net::Weights& weights, Encoding encoding,
                 const std::vector<CheckError>& checks, std::vector<WordError>& errors,
                 FaultCounts& counts) {
  std::vector<WordError> seen;
  auto check = checks.begin();
  auto error = errors.begin();
  while (check != checks.end() || error != errors.end()) {
    const bool take_error =
        error != errors.end() && (check == checks.end() || error->element <= check->unit);
    WordError word = take_error ? *error++ : WordError{.element = check->unit};
    const uint32_t golden = parity_of(stored_word(weights, encoding, word.element));
    uint32_t parity = golden;
    if (check != checks.end() && check->unit == word.element) {
      parity = (check++)->mask.apply(golden) & 1U;
    }
    const uint32_t found = golden ^ parity_of(word.difference);
    word.zeroed = found != parity;
    counts.detected += word.zeroed ? 1 : 0;
    counts.missed += !word.zeroed && word.difference != 0 ? 1 : 0;
    if (word.zeroed || word.difference != 0) seen.push_back(word);
  }
  errors.swap(seen);
}

/// Blocks of one tensor, which may cut words.
class Blocks {
 public:
  Blocks(const net::Weights& weights, Encoding encoding)
      : weights_(weights), encoding_(encoding), bits_(word_bits(weights.bits, encoding)) {}

  struct Error {
    int64_t block = 0;
    uint64_t difference = 0;
    WordMask checks;
  };

  std::vector<Error> collect(const std::vector<WordError>& words,
                             const std::vector<CheckError>& checks) const {
    std::vector<Error> errors;
    for (const WordError& word : words) {
      for (int bit = 0; bit < bits_; ++bit) {
        if ((word.difference >> bit & 1) == 0) continue;
        const int64_t position = word.element * bits_ + bit;
        if (errors.empty() || errors.back().block != position / kBlockBits) {
          errors.push_back({.block = position / kBlockBits});
        }
        errors.back().difference |= uint64_t{1} << position % kBlockBits;
      }
    }
    const auto by_block = [](const Error& a, const Error& b) { return a.block < b.block; };
    for (const CheckError& check : checks) {
      const Error wanted{.block = check.unit};
      auto place = std::lower_bound(errors.begin(), errors.end(), wanted, by_block);
      if (place == errors.end() || place->block != check.unit) place = errors.insert(place, wanted);
      place->checks = check.mask;
    }
    return errors;
  }

  uint64_t golden(int64_t block) const {
    uint64_t data = 0;
    const int64_t begin = block * kBlockBits;
    for (int64_t element = begin / bits_; element < end_element(block); ++element) {
      const uint64_t word = stored_word(weights_, encoding_, element);
      const int64_t shift = element * bits_ - begin;
      data |= shift >= 0 ? word << shift : word >> -shift;
    }
    return data;
  }

  /// The bits of a block that exist: the last one of a tensor is filled up.
  uint64_t stored(int64_t block) const {
    const int64_t left = weights_.elements() * bits_ - block * kBlockBits;
    return left >= kBlockBits ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
  }

  /// Adds to `words` the words that a remaining difference of a block touches.
  void spread(int64_t block, uint64_t difference, std::vector<WordError>& words) const {
    for (; difference != 0; difference &= difference - 1) {
      const int64_t position = block * kBlockBits + std::countr_zero(difference);
      word_at(position / bits_, words).difference |= uint32_t{1} << position % bits_;
    }
  }

  void zero(int64_t block, std::vector<WordError>& words) const {
    for (int64_t element = block * kBlockBits / bits_; element < end_element(block); ++element) {
      word_at(element, words).zeroed = true;
    }
  }

 private:
  int64_t end_element(int64_t block) const {
    const int64_t end = (block + 1) * kBlockBits;
    return std::min(weights_.elements(), (end + bits_ - 1) / bits_);
  }

  /// Blocks come in rising order, so a word is the last one or a new one.
  static WordError& word_at(int64_t element, std::vector<WordError>& words) {
    if (words.empty() || words.back().element != element) words.push_back({.element = element});
    return words.back();
  }

  const net::Weights& weights_;
  Encoding encoding_;
  int64_t bits_;
};

void read_secded(bool zero_detected, const net::Weights& weights, Encoding encoding,
                 const std::vector<CheckError>& checks, std::vector<WordError>& errors,
                 FaultCounts& counts) {
  const Blocks blocks(weights, encoding);
  std::vector<WordError> seen;
  for (const Blocks::Error& error : blocks.collect(errors, checks)) {
    const uint64_t golden = blocks.golden(error.block);
    const auto check = static_cast<uint8_t>(error.checks.apply(secded_encode(golden)));
    const SecdedResult read = secded_decode(golden ^ error.difference, check);
    const uint64_t difference = (read.data ^ golden) & blocks.stored(error.block);
    if (read.status == SecdedStatus::kDetected) {
      ++counts.detected;
      if (zero_detected) {
        blocks.zero(error.block, seen);
        continue;
      }
    } else if (difference != 0) {
      ++counts.missed;
    } else if (read.status == SecdedStatus::kCorrected) {
      ++counts.corrected;
    }
    blocks.spread(error.block, difference, seen);
  }
  errors.swap(seen);
}

}  // namespace

int check_bits(CheckCode code) {
  return code == CheckCode::kNone ? 0 : code == CheckCode::kParity ? 1 : 8;
}

int64_t protected_units(CheckCode code, const MemoryTensor& tensor) {
  if (code == CheckCode::kNone || tensor.is_bias) return 0;
  if (code == CheckCode::kParity) return tensor.elements;
  return (tensor.elements * tensor.bits + kBlockBits - 1) / kBlockBits;
}

void WordMask::add(int32_t bit, FaultKind kind) {
  const uint32_t one = uint32_t{1} << bit;
  switch (kind) {
    case FaultKind::kBitFlip:
      flip ^= one;
      break;
    case FaultKind::kStuckAt0:
      clear |= one;
      break;
    case FaultKind::kStuckAt1:
      set |= one;
      break;
    case FaultKind::kFlip0To1:
      rise |= one;
      break;
    case FaultKind::kFlip1To0:
      fall |= one;
      break;
  }
}

void read_protected(CheckCode code, bool zero_detected, const net::Weights& weights,
                    Encoding encoding, const std::vector<CheckError>& checks,
                    std::vector<WordError>& errors, FaultCounts& counts) {
  if (code == CheckCode::kParity) read_parity(weights, encoding, checks, errors, counts);
  if (code == CheckCode::kSecded) {
    read_secded(zero_detected, weights, encoding, checks, errors, counts);
  }
}

}  // namespace flatenn::fault
