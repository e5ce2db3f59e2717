#include "fault/random_bits.h"

#include <algorithm>
#include <unordered_set>

#include "fault/protected_memory.h"
#include "flatenn/base/error.h"
#include "flatenn/base/number.h"

namespace flatenn::fault {
namespace {

/// Sorts what stands behind `begin`, made of sorted runs with these ends.
void merge_runs(std::vector<Fault>& faults, size_t begin, std::vector<size_t> ends) {
  const auto at = [&](size_t index) { return faults.begin() + static_cast<std::ptrdiff_t>(index); };
  while (ends.size() > 1) {
    std::vector<size_t> merged;
    size_t start = begin;
    for (size_t i = 0; i < ends.size(); i += 2) {
      if (i + 1 < ends.size()) std::inplace_merge(at(start), at(ends[i]), at(ends[i + 1]));
      start = ends[std::min(i + 1, ends.size() - 1)];
      merged.push_back(start);
    }
    ends.swap(merged);
  }
}

/// The n-th bit of a selection in population order.
class Population {
 public:
  Population(const Selection& selection, const MemoryLayout& layout) : selection_(selection) {
    for (const SelectedTensor& selected : selection) {
      total_ +=
          layout.tensors[static_cast<size_t>(selected.tensor)].elements * std::ssize(selected.bits);
      ends_.push_back(total_);
    }
  }
  int64_t total() const { return total_; }
  FaultSite site(int64_t n) const {
    const auto found = std::upper_bound(ends_.begin(), ends_.end(), n);
    const SelectedTensor& selected = selection_[static_cast<size_t>(found - ends_.begin())];
    const int64_t rest = found == ends_.begin() ? n : n - *std::prev(found);
    const int64_t bits = std::ssize(selected.bits);
    return {.tensor = selected.tensor,
            .bit = selected.bits[static_cast<size_t>(rest % bits)],
            .element = rest / bits};
  }

 private:
  const Selection& selection_;
  std::vector<int64_t> ends_;
  int64_t total_ = 0;
};

}  // namespace

double bit_factor(const FaultSource& source, int32_t bit, int bits) {
  if (source.bit_factors.empty()) return 1;
  const auto place = std::ssize(source.bit_factors) - bits + bit;
  return source.bit_factors[static_cast<size_t>(place)];
}

double bit_rate(const FaultSource& source, double rate, int32_t bit, int bits) {
  const double own = rate * bit_factor(source, bit, bits);
  FLATENN_CHECK(own <= 1, "faults: rate ", number_text(rate), " times the factor of bit ", bit,
                " is ", number_text(own), ", above 1");
  return own;
}

void draw_bits(const FaultSource& source, const Selection& selection, const MemoryLayout& layout,
               double rate, const DrawKey& key, std::vector<Fault>& faults) {
  BandSampler sampler;
  std::vector<size_t> ends;
  for (const SelectedTensor& selected : selection) {
    const MemoryTensor& tensor = layout.tensors[static_cast<size_t>(selected.tensor)];
    const auto purpose = tensor.is_bias ? RandomPurpose::kBiasFault : RandomPurpose::kWeightFault;
    const size_t begin = faults.size();
    ends.clear();
    for (const int32_t bit : selected.bits) {
      SiteStreams streams(key, purpose, static_cast<uint64_t>(tensor.ordinal),
                          static_cast<uint64_t>(bit), source.kinds);
      const double own = bit_rate(source, rate, bit, tensor.bits);
      for (const Hit& hit : sampler.sample(streams.sites, streams.marks(), tensor.elements, own)) {
        faults.push_back({{selected.tensor, bit, hit.index}, source.kinds.pick(hit.kind)});
      }
      ends.push_back(faults.size());
    }
    merge_runs(faults, begin, ends);
  }
}

void draw_check_bits(const FaultSource& source, const Selection& selection,
                     const MemoryLayout& layout, CheckCode code, double rate, const DrawKey& key,
                     std::vector<Fault>& faults) {
  BandSampler sampler;
  std::vector<size_t> ends;
  for (const SelectedTensor& selected : selection) {
    const MemoryTensor& tensor = layout.tensors[static_cast<size_t>(selected.tensor)];
    const size_t begin = faults.size();
    ends.clear();
    for (int32_t bit = 0; bit < check_bits(code); ++bit) {
      const auto number = static_cast<uint64_t>(bit);
      SiteStreams streams(key, RandomPurpose::kCheckBitFault, static_cast<uint64_t>(tensor.ordinal),
                          number, source.kinds, kCheckBitKinds + number);
      for (const Hit& hit :
           sampler.sample(streams.sites, streams.marks(), protected_units(code, tensor), rate)) {
        faults.push_back({{selected.tensor, bit, hit.index}, source.kinds.pick(hit.kind)});
      }
      ends.push_back(faults.size());
    }
    merge_runs(faults, begin, ends);
  }
}

void draw_exact_count(const FaultSource& source, const Selection& selection,
                      const MemoryLayout& layout, const DrawKey& key, std::vector<Fault>& faults) {
  const Population population(selection, layout);
  const int64_t count = source.count.value_or(0);
  FLATENN_ASSERT(count <= population.total(), "checked with the model");
  RandomStream sites(key.seed, key.trial, RandomPurpose::kExactCount, 0, key.source << 8);
  RandomStream kinds(key.seed, key.trial, RandomPurpose::kFaultKind, 0, key.source << 8);
  std::unordered_set<int64_t> drawn;
  const auto begin = static_cast<std::ptrdiff_t>(faults.size());
  while (std::ssize(drawn) < count) {
    const auto n = static_cast<int64_t>(sites.below(static_cast<uint64_t>(population.total())));
    if (!drawn.insert(n).second) continue;
    faults.push_back({population.site(n), source.kinds.pick(kinds.uniform())});
  }
  std::sort(faults.begin() + begin, faults.end());
}

int64_t count_bits(const Selection& selection, const MemoryLayout& layout) {
  return Population(selection, layout).total();
}

}  // namespace flatenn::fault
