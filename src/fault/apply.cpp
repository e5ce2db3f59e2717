#include "fault/apply.h"

#include <algorithm>
#include <bit>

#include "fault/protected_memory.h"
#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

using FaultIterator = std::vector<Fault>::const_iterator;

/// The joined mask of the faults on one word or unit; `next` moves behind them.
WordMask take_mask(FaultIterator& next, FaultIterator end) {
  const FaultSite first = next->site;
  WordMask mask;
  for (; next != end && next->site.tensor == first.tensor && next->site.element == first.element;
       ++next) {
    mask.add(next->site.bit, next->kind);
  }
  return mask;
}

FaultIterator end_of_tensor(FaultIterator begin, FaultIterator end, int32_t tensor) {
  return std::find_if(begin, end, [&](const Fault& f) { return f.site.tensor != tensor; });
}

/// Bits of a word that can be faulty: not the hardened ones.
uint32_t soft_bits(const MemoryTensor& tensor, const FaultModel& model) {
  const int groups = model.encoding == Encoding::kDifferentialPair ? 2 : 1;
  const int bits = tensor.bits / groups;
  const int hard = std::min(bits, model.protection.hardened_bits);
  const uint32_t group = (uint32_t{1} << (bits - hard)) - 1;
  return groups == 1 ? group : group | group << bits;
}

void change_biases(FaultIterator next, FaultIterator end, const net::Network& network,
                   const MemoryTensor& tensor, Injection& injection) {
  const std::vector<int32_t>& biases = network.layers[static_cast<size_t>(tensor.layer)].bias;
  while (next != end) {
    const int64_t channel = next->site.element;
    const auto word = static_cast<uint32_t>(biases[static_cast<size_t>(channel)]);
    const uint32_t faulty = take_mask(next, end).apply(word);
    if (faulty == word) continue;
    injection.counts.landed += std::popcount(word ^ faulty);
    injection.biases.push_back({tensor.layer, channel, static_cast<int32_t>(faulty)});
  }
}

/// Works on one weight tensor after the other and keeps its scratch.
class WeightReader {
 public:
  WeightReader(const StoredNetwork& stored, Injection& injection)
      : stored_(stored), injection_(injection) {}

  void read(int32_t index, FaultIterator next, FaultIterator end, FaultIterator check,
            FaultIterator check_end) {
    const MemoryTensor& tensor = stored_.layout.tensors[static_cast<size_t>(index)];
    const net::Weights& weights = stored_.network.layers[static_cast<size_t>(tensor.layer)].weights;
    errors_.clear();
    const uint32_t soft = soft_bits(tensor, stored_.model);
    while (next != end) {
      const int64_t element = next->site.element;
      const uint32_t word =
          encode(weights.codes[static_cast<size_t>(element)], weights.bits, stored_.model.encoding);
      const uint32_t difference = (take_mask(next, end).apply(word) ^ word) & soft;
      injection_.counts.landed += std::popcount(difference);
      if (difference != 0) errors_.push_back({.element = element, .difference = difference});
    }
    const Protection& protection = stored_.model.protection;
    if (protection.code != CheckCode::kNone) {
      checks_.clear();
      while (check != check_end) {
        const int64_t unit = check->site.element;
        checks_.push_back({unit, take_mask(check, check_end)});
      }
      read_protected(protection.code, protection.zero_detected, weights, stored_.model.encoding,
                     checks_, errors_, injection_.counts);
    }
    decode_errors(tensor, weights, stored_.ranges[static_cast<size_t>(index)]);
  }

 private:
  void decode_errors(const MemoryTensor& tensor, const net::Weights& weights,
                     const CodeRange& range) {
    for (const WordError& error : errors_) {
      const int8_t golden = weights.codes[static_cast<size_t>(error.element)];
      int code = 0;
      if (!error.zeroed) {
        const uint32_t word =
            encode(golden, weights.bits, stored_.model.encoding) ^ error.difference;
        code = decode(static_cast<uint16_t>(word), weights.bits, stored_.model.encoding);
      }
      const int clipped = std::clamp(code, range.min, range.max);
      injection_.counts.clipped += clipped != code ? 1 : 0;
      if (clipped == golden) continue;
      injection_.weights.push_back({tensor.layer, error.element, static_cast<int8_t>(clipped)});
    }
  }

  const StoredNetwork& stored_;
  Injection& injection_;
  std::vector<WordError> errors_;
  std::vector<CheckError> checks_;
};

void check_faults(const FaultMap& map, const StoredNetwork& stored) {
  for (const Fault& fault : map.faults) check_site(fault.site, stored.layout);
  const CheckCode code = stored.model.protection.code;
  for (const Fault& fault : map.check_faults) {
    const FaultSite& site = fault.site;
    FLATENN_CHECK(
        site.tensor >= 0 && site.tensor < stored.layout.weight_tensors && site.bit >= 0 &&
            site.bit < check_bits(code) && site.element >= 0 &&
            site.element <
                protected_units(code, stored.layout.tensors[static_cast<size_t>(site.tensor)]),
        "fault map: check bit ", site.bit, " of unit ", site.element, " of tensor ", site.tensor,
        " does not exist with protection ", to_string(code));
  }
}

}  // namespace

std::vector<CodeRange> clip_ranges(const Protection& protection, const net::Network& network,
                                   const MemoryLayout& layout) {
  std::vector<CodeRange> ranges(static_cast<size_t>(layout.weight_tensors));
  for (size_t i = 0; i < ranges.size(); ++i) {
    const MemoryTensor& tensor = layout.tensors[i];
    if (protection.clip_share) {
      const int top = (1 << (tensor.code_bits - 1)) - 1;
      ranges[i].max = static_cast<int>(*protection.clip_share * top);
      ranges[i].min = -ranges[i].max;
    }
    if (protection.clip_to_golden) {
      const auto& codes = network.layers[static_cast<size_t>(tensor.layer)].weights.codes;
      const auto [low, high] = std::minmax_element(codes.begin(), codes.end());
      ranges[i].min = std::max<int>(ranges[i].min, *low);
      ranges[i].max = std::min<int>(ranges[i].max, *high);
    }
  }
  return ranges;
}

int64_t clip_codes(net::Network& network, const MemoryLayout& layout,
                   const std::vector<CodeRange>& ranges) {
  int64_t changed = 0;
  for (size_t i = 0; i < ranges.size(); ++i) {
    auto& codes = network.layers[static_cast<size_t>(layout.tensors[i].layer)].weights.codes;
    for (int8_t& code : codes) {
      const auto clipped = static_cast<int8_t>(std::clamp<int>(code, ranges[i].min, ranges[i].max));
      changed += clipped != code ? 1 : 0;
      code = clipped;
    }
  }
  return changed;
}

Injection apply_map(const FaultMap& map, const StoredNetwork& stored) {
  check_faults(map, stored);
  Injection injection;
  injection.counts.drawn = std::ssize(map.faults);
  injection.counts.check_drawn = std::ssize(map.check_faults);
  WeightReader reader(stored, injection);
  auto fault = map.faults.begin();
  auto check = map.check_faults.begin();
  while (fault != map.faults.end() || check != map.check_faults.end()) {
    const int32_t tensor =
        std::min(fault != map.faults.end() ? fault->site.tensor : INT32_MAX,
                 check != map.check_faults.end() ? check->site.tensor : INT32_MAX);
    const auto fault_end = end_of_tensor(fault, map.faults.end(), tensor);
    const auto check_end = end_of_tensor(check, map.check_faults.end(), tensor);
    if (tensor < stored.layout.weight_tensors) {
      reader.read(tensor, fault, fault_end, check, check_end);
    } else {
      change_biases(fault, fault_end, stored.network,
                    stored.layout.tensors[static_cast<size_t>(tensor)], injection);
    }
    fault = fault_end;
    check = check_end;
  }
  return injection;
}

}  // namespace flatenn::fault
