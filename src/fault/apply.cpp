#include "fault/apply.h"

#include <algorithm>
#include <bit>

#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

FaultIterator end_of_tensor(FaultIterator begin, FaultIterator end, int32_t tensor) {
  return std::find_if(begin, end, [&](const Fault& f) { return f.site.tensor != tensor; });
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

void check_sites(const FaultMap& map, const MemoryLayout& layout, CheckCode code) {
  for (const Fault& fault : map.faults) check_site(fault.site, layout);
  for (const Fault& fault : map.check_faults) {
    const FaultSite& site = fault.site;
    FLATENN_CHECK(
        site.tensor >= 0 && site.tensor < layout.weight_tensors && site.bit >= 0 &&
            site.bit < check_bits(code) && site.element >= 0 &&
            site.element < protected_units(code, layout.tensors[static_cast<size_t>(site.tensor)]),
        "fault map: check bit ", site.bit, " of unit ", site.element, " of tensor ", site.tensor,
        " does not exist with protection ", to_string(code));
  }
}

void apply_map(const FaultMap& map, const StoredNetwork& stored, Injection& injection) {
  injection.clear();
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
      reader.read(tensor, {fault, fault_end}, {check, check_end});
    } else {
      change_biases(fault, fault_end, stored.network,
                    stored.layout.tensors[static_cast<size_t>(tensor)], injection);
    }
    fault = fault_end;
    check = check_end;
  }
}

}  // namespace flatenn::fault
