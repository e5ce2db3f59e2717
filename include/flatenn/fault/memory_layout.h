#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "flatenn/fault/encoding.h"
#include "flatenn/net/network.h"

namespace flatenn::fault {

/// Bits of a stored bias word (two's complement).
inline constexpr int kBiasBits = 32;

/// One tensor of stored words.
struct MemoryTensor {
  std::string name;   ///< The layer's name; "<layer>.bias" for biases.
  int32_t layer = 0;  ///< Index into Network::layers.
  bool is_bias = false;
  /// Position among the weight tensors (or among the bias tensors): the number of its random
  /// streams.
  int32_t ordinal = 0;
  std::array<int64_t, 4> shape{};  ///< OIHW; biases: {channels, 1, 1, 1}.
  int64_t elements = 0;
  int code_bits = 0;  ///< b of the codes.
  int bits = 0;       ///< Of a stored word; differs from code_bits for differential pairs alone.

  std::array<int64_t, 4> index(int64_t element) const;  ///< OIHW; biases: {channel, 0, 0, 0}.
  /// "[o,i,h,w]" of an element, or "[c]" of a bias.
  std::string index_text(int64_t element) const;
};

/// The memory in which a network's parameters stand: all weight tensors in graph order, then all
/// bias tensors in graph order. Population order within: elements row-major, bit 0 first.
struct MemoryLayout {
  std::vector<MemoryTensor> tensors;
  int32_t weight_tensors = 0;  ///< The first so many are weights, the rest biases.

  int64_t weight_bits() const;  ///< Stored bits of all weight tensors.
  /// Index of a tensor. Throws Error naming the nearest name.
  int32_t find(const std::string& name) const;
};

/// Sites do not depend on the encoding, save that a differential pair has 2 (b - 1) bits a word.
MemoryLayout memory_layout(const net::Network& network,
                           Encoding encoding = Encoding::kTwosComplement);

}  // namespace flatenn::fault
