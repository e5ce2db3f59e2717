#include "fault/grouped_faults.h"

#include <algorithm>

#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

uint32_t mask_of(const std::vector<int32_t>& bits) {
  uint32_t mask = 0;
  for (const int32_t bit : bits) mask |= uint32_t{1} << bit;
  return mask;
}

int64_t binomial(int n, int k) {
  int64_t result = 1;
  for (int i = 1; i <= k; ++i) result = result * (n - k + i) / i;
  return result;
}

/// The rank-th set of `length` among `bits` positions, in rising order of the masks' bits.
uint32_t nth_subset(int bits, int length, int64_t rank) {
  uint32_t mask = 0;
  for (int bit = bits - 1; bit >= 0 && length > 0; --bit) {
    const int64_t without = binomial(bit, length);  // sets that leave this bit out
    if (rank < without) continue;
    rank -= without;
    mask |= uint32_t{1} << bit;
    --length;
  }
  return mask;
}

/// Which selected bits each tensor has; 0 where it is not selected.
std::vector<uint32_t> masks_by_tensor(const Selection& selection) {
  std::vector<uint32_t> masks;
  for (const SelectedTensor& selected : selection) {
    masks.resize(std::max(masks.size(), static_cast<size_t>(selected.tensor) + 1));
    masks[static_cast<size_t>(selected.tensor)] = mask_of(selected.bits);
  }
  return masks;
}

/// Appends the faults of a cell's content, where selected.
void add_content(const CellContent& content, const std::vector<uint32_t>& masks, FaultKind kind,
                 std::vector<Fault>& faults) {
  if (static_cast<size_t>(content.tensor) >= masks.size()) return;
  const uint32_t mask = masks[static_cast<size_t>(content.tensor)];
  for (int32_t bit = content.first_bit; bit < content.first_bit + content.bits; ++bit) {
    if ((mask >> bit & 1) != 0) faults.push_back({{content.tensor, bit, content.element}, kind});
  }
}

struct UnitStream {
  StreamNumber number;
  int64_t count;  ///< Units of one array.
};

UnitStream unit_stream(FaultUnit unit, const ArrayGeometry& geometry) {
  if (unit == FaultUnit::kRow) return {kRowStream, geometry.rows};
  if (unit == FaultUnit::kColumn) return {kColumnStream, geometry.columns};
  return {kCellStream, geometry.rows * geometry.columns};
}

/// Calls visit(cell) for all cells of one row, column or cell.
template <typename Visit>
void for_cells(FaultUnit unit, const ArrayGeometry& geometry, int64_t array, int64_t index,
               const Visit& visit) {
  if (unit == FaultUnit::kRow) {
    for (int64_t column = 0; column < geometry.columns; ++column) visit({array, index, column});
  } else if (unit == FaultUnit::kColumn) {
    for (int64_t row = 0; row < geometry.rows; ++row) visit({array, row, index});
  } else {
    visit({array, index / geometry.columns, index % geometry.columns});
  }
}

}  // namespace

uint32_t word_pattern(int bits, int length, bool scattered, double pattern) {
  length = std::min(length, bits);
  const auto choices = static_cast<double>(scattered ? binomial(bits, length) : bits - length + 1);
  const auto choice = static_cast<int64_t>(pattern * choices);
  if (scattered) return nth_subset(bits, length, choice);
  return static_cast<uint32_t>(((uint64_t{1} << length) - 1) << choice);
}

void draw_words(const FaultSource& source, const Selection& selection, const MemoryLayout& layout,
                double rate, const DrawKey& key, std::vector<Fault>& faults) {
  BandSampler sampler;
  for (const SelectedTensor& selected : selection) {
    const MemoryTensor& tensor = layout.tensors[static_cast<size_t>(selected.tensor)];
    const auto purpose = tensor.is_bias ? RandomPurpose::kBiasFault : RandomPurpose::kWeightFault;
    const auto sub_a = static_cast<uint64_t>(tensor.ordinal);
    SiteStreams streams(key, purpose, sub_a, kWordStream, source.kinds);
    RandomStream patterns(key.seed, key.trial, purpose, sub_a, key.source << 8 | kWordPatterns);
    const BandSampler::Marks marks{.kind = streams.marks().kind, .pattern = &patterns};
    const uint32_t wanted = mask_of(selected.bits);
    for (const Hit& hit : sampler.sample(streams.sites, marks, tensor.elements, rate)) {
      const uint32_t mask =
          wanted & word_pattern(tensor.bits, source.length, source.scattered, hit.pattern);
      for (int32_t bit = 0; bit < tensor.bits; ++bit) {
        if ((mask >> bit & 1) == 0) continue;
        faults.push_back({{selected.tensor, bit, hit.index}, source.kinds.pick(hit.kind)});
      }
    }
  }
}

void draw_bursts(const FaultSource& source, const Selection& selection, const MemoryLayout& layout,
                 double rate, const DrawKey& key, std::vector<Fault>& faults) {
  BandSampler sampler;
  for (const SelectedTensor& selected : selection) {
    const MemoryTensor& tensor = layout.tensors[static_cast<size_t>(selected.tensor)];
    const auto purpose = tensor.is_bias ? RandomPurpose::kBiasFault : RandomPurpose::kWeightFault;
    SiteStreams streams(key, purpose, static_cast<uint64_t>(tensor.ordinal), kBurstStream,
                        source.kinds);
    const uint32_t wanted = mask_of(selected.bits);
    const int64_t end = tensor.elements * tensor.bits;
    const auto& hits = sampler.sample(streams.sites, streams.marks(), end, rate);
    // The runs that cover a position begin at most length - 1 before it.
    int64_t next = 0;
    for (size_t i = 0; i < hits.size(); ++i) {
      const int64_t stop = std::min(end, hits[i].index + source.length);
      for (int64_t position = std::max(next, hits[i].index); position < stop; ++position) {
        const Hit* first = &hits[i];
        for (size_t j = i + 1; j < hits.size() && hits[j].index <= position; ++j) {
          if (hits[j].u < first->u) first = &hits[j];
        }
        for (size_t j = i; j-- > 0 && hits[j].index + source.length > position;) {
          if (hits[j].u < first->u) first = &hits[j];
        }
        const auto bit = static_cast<int32_t>(position % tensor.bits);
        if ((wanted >> bit & 1) == 0) continue;
        faults.push_back(
            {{selected.tensor, bit, position / tensor.bits}, source.kinds.pick(first->kind)});
      }
      next = stop;
    }
  }
}

void draw_array(const FaultSource& source, const Selection& selection, const ArrayMap& arrays,
                double rate, const DrawKey& key, std::vector<Fault>& faults) {
  const std::vector<uint32_t> masks = masks_by_tensor(selection);
  const UnitStream unit = unit_stream(source.unit, arrays.geometry());
  const auto begin = static_cast<std::ptrdiff_t>(faults.size());
  BandSampler sampler;
  for (int64_t array = 0; array < arrays.arrays(); ++array) {
    SiteStreams streams(key, RandomPurpose::kArrayFault, static_cast<uint64_t>(array), unit.number,
                        source.kinds);
    for (const Hit& hit : sampler.sample(streams.sites, streams.marks(), unit.count, rate)) {
      const FaultKind kind = source.kinds.pick(hit.kind);
      for_cells(source.unit, arrays.geometry(), array, hit.index, [&](const Cell& cell) {
        if (const auto content = arrays.content(cell)) add_content(*content, masks, kind, faults);
      });
    }
  }
  std::sort(faults.begin() + begin, faults.end());
}

}  // namespace flatenn::fault
