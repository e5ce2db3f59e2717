#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace flatenn::fault {

enum class CheckCode {
  kNone,
  kParity,  ///< One even parity bit a stored word; a word that fails reads as code 0.
  kSecded,  ///< (72,64) over 64 stored bits of one tensor in population order.
};

/// What the memory and its reader do against faults in stored weights. Biases are outside.
struct Protection {
  /// The top bits of each word are immune (of each half, for a differential pair).
  int hardened_bits = 0;
  CheckCode code = CheckCode::kNone;
  /// Secded: words of a block with a detected double error read as code 0; else they stay as read.
  bool zero_detected = false;
  /// Weights are clipped at load to the range of the layer's golden codes.
  bool clip_to_golden = false;
  /// Weights are clipped at load to |k| <= share * (2^(b-1) - 1), rounded down; the golden pass
  /// too.
  std::optional<double> clip_share;

  bool operator==(const Protection&) const = default;
  bool none() const { return *this == Protection{}; }
};

/// "none", "parity", "secded". Throws Error listing the choices.
CheckCode parse_check_code(const std::string& name);
std::string to_string(CheckCode code);

}  // namespace flatenn::fault
