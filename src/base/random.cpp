#include "flatenn/base/random.h"

#include <cmath>
#include <numbers>

#include "flatenn/base/error.h"

namespace flatenn {
namespace {

constexpr uint32_t kMultiplier0 = 0xD2511F53;
constexpr uint32_t kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9;
constexpr uint32_t kWeyl1 = 0xBB67AE85;
constexpr int kRounds = 10;

constexpr size_t kLanes = 16;  // blocks made side by side, so that a core overlaps their rounds

/// The blocks for kLanes counters that follow each other, two words of 64 bits each.
void philox_lanes(const std::array<uint32_t, 4>& counter, std::array<uint32_t, 2> key,
                  uint64_t* words) {
  uint32_t a[kLanes];
  uint32_t b[kLanes];
  uint32_t c[kLanes];
  uint32_t d[kLanes];
  for (size_t i = 0; i < kLanes; ++i) {
    a[i] = counter[0] + static_cast<uint32_t>(i);
    b[i] = counter[1];
    c[i] = counter[2];
    d[i] = counter[3];
  }
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 1  // unrolled, GCC 12 makes of it twice the time
    for (size_t i = 0; i < kLanes; ++i) {
      const uint64_t product0 = uint64_t{kMultiplier0} * a[i];
      const uint64_t product1 = uint64_t{kMultiplier1} * c[i];
      a[i] = static_cast<uint32_t>(product1 >> 32) ^ b[i] ^ key[0];
      b[i] = static_cast<uint32_t>(product1);
      c[i] = static_cast<uint32_t>(product0 >> 32) ^ d[i] ^ key[1];
      d[i] = static_cast<uint32_t>(product0);
    }
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  for (size_t i = 0; i < kLanes; ++i) {
    words[2 * i] = a[i] | (uint64_t{b[i]} << 32);
    words[2 * i + 1] = c[i] | (uint64_t{d[i]} << 32);
  }
}

}  // namespace

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = uint64_t{kMultiplier0} * counter[0];
    const uint64_t product1 = uint64_t{kMultiplier1} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

RandomStream::RandomStream(uint64_t seed, uint64_t trial, RandomPurpose purpose, uint64_t sub_a,
                           uint64_t sub_b)
    : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)} {
  FLATENN_CHECK(trial < (uint64_t{1} << 32), "RandomStream: trial must be below 2^32, got ", trial);
  FLATENN_CHECK(sub_a < (uint64_t{1} << 32), "RandomStream: sub_a must be below 2^32, got ", sub_a);
  FLATENN_CHECK(sub_b < (uint64_t{1} << 16), "RandomStream: sub_b must be below 2^16, got ", sub_b);
  counter_ = {0, static_cast<uint32_t>(trial),
              (static_cast<uint32_t>(purpose) << 16) | static_cast<uint32_t>(sub_b),
              static_cast<uint32_t>(sub_a)};
}

uint32_t RandomStream::next_u32() {
  if (used_ == 4) {
    block_ = philox4x32(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[static_cast<size_t>(used_++)];
}

uint64_t RandomStream::next_u64() {
  const uint64_t low = next_u32();
  return low | (uint64_t{next_u32()} << 32);
}

void RandomStream::fill(std::span<uint64_t> words) {
  size_t next = 0;
  if (used_ == 2 && !words.empty()) words[next++] = next_u64();
  for (; used_ == 4 && words.size() - next >= 2 * kLanes; next += 2 * kLanes) {
    philox_lanes(counter_, key_, words.data() + next);
    counter_[0] += static_cast<uint32_t>(kLanes);
  }
  for (; next < words.size(); ++next) words[next] = next_u64();
}

double RandomStream::uniform() { return static_cast<double>(next_u64() >> 11) * 0x1p-53; }

double RandomStream::open_uniform() {
  return (static_cast<double>(next_u64() >> 12) + 0.5) * 0x1p-52;
}

uint64_t RandomStream::below(uint64_t bound) {
  FLATENN_CHECK(bound > 0, "RandomStream::below: bound must be positive");
  const uint64_t threshold = (0 - bound) % bound;
  while (true) {
    const auto product = static_cast<unsigned __int128>(next_u64()) * bound;
    if (static_cast<uint64_t>(product) >= threshold) return static_cast<uint64_t>(product >> 64);
  }
}

double RandomStream::normal() {
  const double radius = std::sqrt(-2.0 * std::log(open_uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

}  // namespace flatenn
