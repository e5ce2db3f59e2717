#pragma once

#include <cstdint>
#include <string>

namespace flatenn::fault {

/// How a code k in [-2^(b-1), 2^(b-1) - 1] is written into b stored bits.
enum class Encoding {
  kTwosComplement,  ///< k mod 2^b
  kOffsetBinary,    ///< q = k + 2^(b-1)
  kGray,            ///< q ^ (q >> 1)
  kSignMagnitude,   ///< sign bit on top, |k| below; 10..0 decodes to 0; -2^(b-1) has no word
};

/// "twos_complement", "offset_binary", "gray", "sign_magnitude". Throws Error listing the choices.
Encoding parse_encoding(const std::string& name);
std::string to_string(Encoding encoding);

/// The stored word, in the low `bits` bits. Throws Error for -2^(b-1) in sign_magnitude.
uint8_t encode(int8_t code, int bits, Encoding encoding);
int8_t decode(uint8_t word, int bits, Encoding encoding);

}  // namespace flatenn::fault
