#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flatenn/net/network.h"

namespace flatenn::fault {

/// How a code k in [-2^(b-1), 2^(b-1) - 1] of b bits is written into a stored word.
enum class Encoding {
  kTwosComplement,    ///< k mod 2^b
  kOffsetBinary,      ///< q = k + 2^(b-1)
  kGray,              ///< q ^ (q >> 1), q the offset binary
  kSignMagnitude,     ///< sign bit on top, |k| below; 10..0 decodes to 0; -2^(b-1) has no word
  kDifferentialPair,  ///< k = w+ - w-, b-1 bits each, w+ in the low bits; -2^(b-1) has no word
};

/// "twos_complement", "offset_binary", "gray", "sign_magnitude", "differential_pair". Throws Error
/// listing the choices.
Encoding parse_encoding(const std::string& name);
std::string to_string(Encoding encoding);
const std::vector<std::string>& encoding_names();

/// Bits of the stored word: b, but 2 (b - 1) for a differential pair.
int word_bits(int bits, Encoding encoding);

/// Whether -2^(b-1) has a word.
bool has_lowest(Encoding encoding);

/// The stored word, in the low word_bits(bits) bits. Throws Error for -2^(b-1) in an encoding that
/// has no word for it. Golden differential pairs leave one side 0.
uint16_t encode(int8_t code, int bits, Encoding encoding);

/// The code a word stands for; every word of word_bits(bits) bits has one.
int8_t decode(uint16_t word, int bits, Encoding encoding);

/// Replaces -2^(b-1) by -(2^(b-1) - 1) where `encoding` has no word for it. Returns how many codes
/// changed; the golden pass has to be measured again where any did.
int64_t saturate(net::Network& network, Encoding encoding);

}  // namespace flatenn::fault
