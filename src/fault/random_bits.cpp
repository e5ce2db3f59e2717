#include "fault/random_bits.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "fault/band_sampler.h"
#include "flatenn/base/error.h"
#include "flatenn/base/random.h"

namespace flatenn::fault {
namespace {

/// Merges sorted runs that stand one after another from `begin`; `ends` are where they end.
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
  Population(const std::vector<SelectedTensor>& selection, const MemoryLayout& layout)
      : selection_(selection) {
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
  const std::vector<SelectedTensor>& selection_;
  std::vector<int64_t> ends_;
  int64_t total_ = 0;
};

}  // namespace

void draw_bits_at_rate(const std::vector<SelectedTensor>& selection, const MemoryLayout& layout,
                       const KindShares& kinds, double rate, const DrawKey& key,
                       std::vector<Fault>& faults) {
  BandSampler sampler;
  std::vector<size_t> ends;
  for (const SelectedTensor& selected : selection) {
    const MemoryTensor& tensor = layout.tensors[static_cast<size_t>(selected.tensor)];
    const size_t begin = faults.size();
    ends.clear();
    for (const int32_t bit : selected.bits) {
      const auto sub_a = static_cast<uint64_t>(tensor.ordinal);
      const auto sub_b = key.source << 8 | static_cast<uint64_t>(bit);
      const auto purpose = tensor.is_bias ? RandomPurpose::kBiasFault : RandomPurpose::kWeightFault;
      RandomStream stream(key.seed, key.trial, purpose, sub_a, sub_b);
      std::optional<RandomStream> kind_stream;
      if (kinds.is_mix()) {
        kind_stream.emplace(key.seed, key.trial, RandomPurpose::kFaultKind, sub_a, sub_b);
      }
      RandomStream* kind_uniforms = kind_stream ? &*kind_stream : nullptr;
      for (const Hit& hit : sampler.sample(stream, kind_uniforms, tensor.elements, rate)) {
        faults.push_back({{selected.tensor, bit, hit.index}, kinds.pick(hit.kind)});
      }
      if (faults.size() > (ends.empty() ? begin : ends.back())) ends.push_back(faults.size());
    }
    merge_runs(faults, begin, ends);
  }
}

void draw_exact_count(const std::vector<SelectedTensor>& selection, const MemoryLayout& layout,
                      const KindShares& kinds, int64_t count, const DrawKey& key,
                      std::vector<Fault>& faults) {
  const Population population(selection, layout);
  FLATENN_CHECK(count <= population.total(), "faults: count ", count, " exceeds the ",
                population.total(), " stored bits selected");
  const uint64_t sub_b = key.source << 8;
  RandomStream sites(key.seed, key.trial, RandomPurpose::kExactCount, 0, sub_b);
  RandomStream kind_stream(key.seed, key.trial, RandomPurpose::kFaultKind, 0, sub_b);
  std::unordered_set<int64_t> drawn;
  const auto begin = static_cast<std::ptrdiff_t>(faults.size());
  while (std::ssize(drawn) < count) {
    const auto n = static_cast<int64_t>(sites.below(static_cast<uint64_t>(population.total())));
    if (!drawn.insert(n).second) continue;
    faults.push_back({population.site(n), kinds.pick(kind_stream.uniform())});
  }
  std::sort(faults.begin() + begin, faults.end());
}

int64_t selected_bits(const std::vector<SelectedTensor>& selection, const MemoryLayout& layout) {
  return Population(selection, layout).total();
}

}  // namespace flatenn::fault
