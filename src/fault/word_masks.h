#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "fault/protected_memory.h"

namespace flatenn::fault {

/// The faults on every word of one weight tensor, as masks by kind: for rates at which a list of
/// faults, put into order, would take longer. Keeps its memory from one tensor to the next.
class WordMasks {
 public:
  /// The masks of one kind, [words]; bit b stands for bit b of the word.
  using Plane = std::vector<uint16_t>;

  /// Begins a tensor of so many words, none of them faulty.
  void start(int64_t words) {
    words_ = words;
    used_ = {};
  }
  bool empty() const {
    return std::none_of(used_.begin(), used_.end(), [](bool used) { return used; });
  }
  /// The plane of a kind, ready to be written to.
  uint16_t* plane(FaultKind kind) {
    const auto k = static_cast<size_t>(kind);
    used_[k] = true;
    grow(planes_[k]);
    return planes_[k].data();
  }
  /// Another plane, which says which bits the source that is drawn now has hit.
  uint16_t* own() {
    grow(own_);
    return own_.data();
  }
  void clear_own() { std::fill_n(own_.begin(), words_, uint16_t{0}); }

  /// Calls body(word, mask) for every word with a fault, words rising, and clears the masks.
  template <typename Body>
  void take(const Body& body) {
    for (int64_t start = 0; start < words_; start += kBlock) {
      uint64_t faulty = 0;
      for (size_t k = 0; k < planes_.size(); ++k) {
        if (used_[k]) faulty |= nonzero(&planes_[k][static_cast<size_t>(start)]);
      }
      if (faulty == 0) continue;
      for (; faulty != 0; faulty &= faulty - 1) {
        const int64_t word = start + std::countr_zero(faulty);
        body(word, WordMask{.flip = at(FaultKind::kBitFlip, word),
                            .rise = at(FaultKind::kFlip0To1, word),
                            .fall = at(FaultKind::kFlip1To0, word),
                            .set = at(FaultKind::kStuckAt1, word),
                            .clear = at(FaultKind::kStuckAt0, word)});
      }
      for (size_t k = 0; k < planes_.size(); ++k) {
        if (used_[k]) std::fill_n(&planes_[k][static_cast<size_t>(start)], kBlock, uint16_t{0});
      }
    }
  }

 private:
  static constexpr int64_t kBlock = 64;

  /// Planes stand for whole blocks; they are clear whenever a tensor begins.
  void grow(Plane& plane) const {
    const auto size = static_cast<size_t>((words_ + kBlock - 1) / kBlock * kBlock);
    if (plane.size() < size) plane.resize(size);
  }
  uint32_t at(FaultKind kind, int64_t word) const {
    const auto k = static_cast<size_t>(kind);
    return used_[k] ? planes_[k][static_cast<size_t>(word)] : 0U;
  }
  /// Bit i says whether mask i of a block is not 0.
  static uint64_t nonzero(const uint16_t* block) {
    constexpr uint64_t kLow = 0x7fff'7fff'7fff'7fff;
    uint64_t result = 0;
    for (int64_t i = 0; i < kBlock; i += 4) {
      const std::array<uint16_t, 4> masks{block[i], block[i + 1], block[i + 2], block[i + 3]};
      const auto four = std::bit_cast<uint64_t>(masks);
      const uint64_t tops = (((four & kLow) + kLow) | four) & ~kLow;  // bits 15, 31, 47, 63
      // The product brings them to bits 48 to 51, in order, without a carry.
      result |= (((tops >> 15) * 0x0001'0002'0004'0008) >> 48 & 15) << i;
    }
    return result;
  }

  std::array<Plane, 5> planes_;  ///< By FaultKind.
  Plane own_;
  std::array<bool, 5> used_{};
  int64_t words_ = 0;
};

}  // namespace flatenn::fault
