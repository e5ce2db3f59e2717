#include "flatenn/fault/encoding.h"

#include <algorithm>
#include <cstdlib>

#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

int low_mask(int bits) { return (1 << bits) - 1; }

int sign_extend(int word, int bits) {
  const int sign = 1 << (bits - 1);
  return (word ^ sign) - sign;
}

int decode_gray(int word) {
  for (int shift = 1; shift < 8; shift *= 2) word ^= word >> shift;
  return word;
}

}  // namespace

const std::vector<std::string>& encoding_names() {
  static const std::vector<std::string> names = {"twos_complement", "offset_binary", "gray",
                                                 "sign_magnitude", "differential_pair"};
  return names;
}

Encoding parse_encoding(const std::string& name) {
  const auto& names = encoding_names();
  const auto found = std::find(names.begin(), names.end(), name);
  FLATENN_CHECK(found != names.end(),
                "encoding: must be one of twos_complement, offset_binary, gray, sign_magnitude, "
                "differential_pair, got '",
                name, "'");
  return static_cast<Encoding>(found - names.begin());
}

std::string to_string(Encoding encoding) {
  return encoding_names().at(static_cast<size_t>(encoding));
}

int word_bits(int bits, Encoding encoding) {
  return encoding == Encoding::kDifferentialPair ? 2 * (bits - 1) : bits;
}

bool has_lowest(Encoding encoding) {  // magnitudes have b - 1 bits
  return encoding != Encoding::kSignMagnitude && encoding != Encoding::kDifferentialPair;
}

uint16_t encode(int8_t code, int bits, Encoding encoding) {
  const int half = 1 << (bits - 1);
  FLATENN_CHECK(code >= -half && code < half, "encode: code ", int{code}, " does not fit ", bits,
                " bits");
  FLATENN_CHECK(code != -half || has_lowest(encoding), "encode: code ", int{code},
                " has no word of ", bits, " bits in ", to_string(encoding));
  const int offset = code + half;
  int word = 0;
  switch (encoding) {
    case Encoding::kTwosComplement:
      word = code & low_mask(bits);
      break;
    case Encoding::kOffsetBinary:
      word = offset;
      break;
    case Encoding::kGray:
      word = offset ^ (offset >> 1);
      break;
    case Encoding::kSignMagnitude:
      word = std::abs(code) | (code < 0 ? half : 0);
      break;
    case Encoding::kDifferentialPair:
      word = code >= 0 ? code : -code << (bits - 1);
      break;
  }
  return static_cast<uint16_t>(word);
}

int8_t decode(uint16_t word, int bits, Encoding encoding) {
  const int half = 1 << (bits - 1);
  const int w = word & low_mask(word_bits(bits, encoding));
  int code = 0;
  switch (encoding) {
    case Encoding::kTwosComplement:
      code = sign_extend(w, bits);
      break;
    case Encoding::kOffsetBinary:
      code = w - half;
      break;
    case Encoding::kGray:
      code = decode_gray(w) - half;
      break;
    case Encoding::kSignMagnitude:
      code = (w & half) != 0 ? -(w & (half - 1)) : w;
      break;
    case Encoding::kDifferentialPair:
      code = (w & (half - 1)) - (w >> (bits - 1));
      break;
  }
  return static_cast<int8_t>(code);
}

int64_t saturate(net::Network& network, Encoding encoding) {
  if (has_lowest(encoding)) return 0;
  int64_t changed = 0;
  for (net::Layer& layer : network.layers) {
    const int lowest = -(1 << (layer.weights.bits - 1));
    for (int8_t& code : layer.weights.codes) {
      if (code != lowest) continue;
      code = static_cast<int8_t>(lowest + 1);
      ++changed;
    }
  }
  return changed;
}

}  // namespace flatenn::fault
