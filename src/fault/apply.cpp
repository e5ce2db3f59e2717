#include "fault/apply.h"

#include <bit>

#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

void change_weight(const net::Network& network, const MemoryTensor& tensor, Encoding encoding,
                   int64_t element, const WordMask& mask, Injection& injection) {
  const net::Weights& weights = network.layers[static_cast<size_t>(tensor.layer)].weights;
  const int8_t code = weights.codes[static_cast<size_t>(element)];
  const uint32_t word = encode(code, tensor.code_bits, encoding);
  const uint32_t faulty = mask.apply(word);
  injection.counts.landed += std::popcount(word ^ faulty);
  const int8_t found = decode(static_cast<uint16_t>(faulty), tensor.code_bits, encoding);
  if (found != code) injection.weights.push_back({tensor.layer, element, found});
}

void change_bias(const net::Network& network, const MemoryTensor& tensor, int64_t channel,
                 const WordMask& mask, Injection& injection) {
  const net::Layer& layer = network.layers[static_cast<size_t>(tensor.layer)];
  const auto word = static_cast<uint32_t>(layer.bias[static_cast<size_t>(channel)]);
  const uint32_t faulty = mask.apply(word);
  if (faulty == word) return;
  injection.counts.landed += std::popcount(word ^ faulty);
  injection.biases.push_back({tensor.layer, channel, static_cast<int32_t>(faulty)});
}

}  // namespace

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
  }
}

Injection apply_map(const FaultMap& map, const net::Network& network, const MemoryLayout& layout,
                    Encoding encoding) {
  Injection injection;
  injection.counts.drawn = std::ssize(map.faults);
  const std::vector<Fault>& faults = map.faults;
  for (size_t i = 0; i < faults.size();) {
    const FaultSite first = faults[i].site;
    check_site(first, layout);
    const MemoryTensor& tensor = layout.tensors[static_cast<size_t>(first.tensor)];
    WordMask mask;
    for (; i < faults.size() && faults[i].site.tensor == first.tensor &&
           faults[i].site.element == first.element;
         ++i) {
      check_site(faults[i].site, layout);
      mask.add(faults[i].site.bit, faults[i].kind);
    }
    if (tensor.is_bias) {
      change_bias(network, tensor, first.element, mask, injection);
    } else {
      change_weight(network, tensor, encoding, first.element, mask, injection);
    }
  }
  return injection;
}

}  // namespace flatenn::fault
