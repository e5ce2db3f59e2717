#include "fault/secded.h"

#include <array>
#include <bit>
#include <cstddef>

namespace flatenn::fault {
namespace {

constexpr int kDataBits = 64;
constexpr uint8_t kNoBit = 0xff;

constexpr std::array<uint8_t, kDataBits> make_columns() {
  std::array<uint8_t, kDataBits> columns{};
  std::size_t next = 0;
  for (unsigned column = 1; column < 256; ++column) {
    if (std::popcount(column) == 3) columns[next++] = static_cast<uint8_t>(column);
  }
  // Five neighbouring checks in each of the eight rotations: every check is covered five times.
  for (int turn = 0; turn < 8; ++turn) columns[next++] = std::rotl(uint8_t{0b00011111}, turn);
  return columns;
}

constexpr std::array<uint8_t, kDataBits> kColumns = make_columns();

/// Data bit with this syndrome, or kNoBit.
constexpr std::array<uint8_t, 256> make_bit_of_syndrome() {
  std::array<uint8_t, 256> bits{};
  bits.fill(kNoBit);
  for (uint8_t bit = 0; bit < kDataBits; ++bit) bits[kColumns[bit]] = bit;
  return bits;
}

constexpr std::array<uint8_t, 256> kBitOfSyndrome = make_bit_of_syndrome();

/// The data bits that each check covers.
constexpr std::array<uint64_t, 8> make_checks() {
  std::array<uint64_t, 8> checks{};
  for (std::size_t bit = 0; bit < kDataBits; ++bit) {
    for (std::size_t check = 0; check < 8; ++check) {
      if ((kColumns[bit] >> check & 1) != 0) checks[check] |= uint64_t{1} << bit;
    }
  }
  return checks;
}

constexpr std::array<uint64_t, 8> kChecks = make_checks();

}  // namespace

uint8_t secded_encode(uint64_t data) {
  unsigned check = 0;
  for (std::size_t i = 0; i < kChecks.size(); ++i) {
    check |= static_cast<unsigned>(std::popcount(data & kChecks[i]) & 1) << i;
  }
  return static_cast<uint8_t>(check);
}

SecdedResult secded_decode(uint64_t data, uint8_t check) {
  const auto syndrome = static_cast<uint8_t>(secded_encode(data) ^ check);
  if (syndrome == 0) return {data, SecdedStatus::kClean};
  if (std::popcount(syndrome) == 1) return {data, SecdedStatus::kCorrected};  // a check bit
  const uint8_t bit = kBitOfSyndrome[syndrome];
  if (bit == kNoBit) return {data, SecdedStatus::kDetected};
  return {data ^ uint64_t{1} << bit, SecdedStatus::kCorrected};
}

}  // namespace flatenn::fault
