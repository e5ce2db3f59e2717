#include "engine/onednn/packing.h"

#include <cstring>

#include "flatenn/base/error.h"

namespace flatenn::engine::onednn {
namespace {

struct Blocking {
  std::vector<int64_t> dims, padded, strides;
  std::vector<int64_t> block_dims, blocks;  ///< Outermost first.
};

Blocking blocking_of(const dnnl::memory::desc& desc) {
#if DNNL_VERSION_MAJOR >= 3
  return {.dims = desc.get_dims(),
          .padded = desc.get_padded_dims(),
          .strides = desc.get_strides(),
          .block_dims = desc.get_inner_idxs(),
          .blocks = desc.get_inner_blks()};
#else
  const auto& data = desc.data;
  const auto& blocking = data.format_desc.blocking;
  const auto list = [](const dnnl_dim_t* first, int count) {
    return std::vector<int64_t>(first, first + count);
  };
  return {.dims = list(data.dims, data.ndims),
          .padded = list(data.padded_dims, data.ndims),
          .strides = list(blocking.strides, data.ndims),
          .block_dims = list(blocking.inner_idxs, blocking.inner_nblks),
          .blocks = list(blocking.inner_blks, blocking.inner_nblks)};
#endif
}

/// Bytes that `index` along `dim` adds to an element's place: its digits in the dimension's blocks,
/// then the stride of what is left.
int64_t offset_of(const Blocking& blocking, size_t dim, int64_t index) {
  int64_t offset = 0;
  int64_t stride = 1;
  for (size_t b = blocking.blocks.size(); b-- > 0; stride *= blocking.blocks[b]) {
    if (static_cast<size_t>(blocking.block_dims[b]) != dim) continue;
    offset += index % blocking.blocks[b] * stride;
    index /= blocking.blocks[b];
  }
  return offset + index * blocking.strides[dim];
}

int64_t product(const std::vector<int64_t>& dims) {
  int64_t result = 1;
  for (const int64_t dim : dims) result *= dim;
  return result;
}

}  // namespace

Packing::Packing(const dnnl::memory::desc& desc) : bytes_(static_cast<int64_t>(desc.get_size())) {
  const Blocking blocking = blocking_of(desc);
  dims_ = blocking.dims;
  element_strides_.assign(dims_.size(), 1);
  for (size_t d = dims_.size() - 1; d-- > 0;) {
    element_strides_[d] = element_strides_[d + 1] * dims_[d + 1];
  }
  for (size_t d = 0; d < dims_.size(); ++d) {
    offsets_.emplace_back();
    for (int64_t i = 0; i < dims_[d]; ++i) offsets_.back().push_back(offset_of(blocking, d, i));
  }
  const size_t filter_dim = dims_.size() - 4;
  filters_ = dims_[filter_dim];
  padded_filters_ = blocking.padded[filter_dim];
  filter_size_ = element_strides_[filter_dim];
  sums_ = product(blocking.padded);
  const int64_t groups = filter_dim == 0 ? 1 : blocking.padded[0];
  const auto size_of_sums = groups * padded_filters_ * static_cast<int64_t>(sizeof(int32_t));
  // oneDNN 2.6 leaves room behind the sums.
  FLATENN_CHECK(bytes_ == sums_ || bytes_ >= sums_ + size_of_sums, "onednn: weights of ", bytes_,
                " bytes where ", sums_, " or ", sums_ + size_of_sums, " were expected");
}

int64_t Packing::byte(int64_t element) const {
  int64_t at = 0;
  for (size_t d = 0; d < dims_.size(); ++d) {
    at += offsets_[d][static_cast<size_t>(element / element_strides_[d])];
    element %= element_strides_[d];
  }
  return at;
}

int64_t Packing::sum_byte(int64_t element) const {
  const int64_t filter = element / filter_size_;
  const int64_t place = filter / filters_ * padded_filters_ + filter % filters_;
  return sums_ + place * static_cast<int64_t>(sizeof(int32_t));
}

void Packing::pack(const int8_t* values, int8_t* packed) const {
  const int8_t* next = values;
  pack_from(0, 0, next, packed);
  if (compensated()) add_sums(values, packed);
}

void Packing::pack_from(size_t dim, int64_t at, const int8_t*& values, int8_t* packed) const {
  const bool last = dim + 1 == dims_.size();
  for (const int64_t offset : offsets_[dim]) {
    if (last) {
      packed[at + offset] = *values++;
    } else {
      pack_from(dim + 1, at + offset, values, packed);
    }
  }
}

void Packing::add_sums(const int8_t* values, int8_t* packed) const {
  const int64_t elements = product(dims_);
  for (int64_t first = 0; first < elements; first += filter_size_) {
    int32_t sum = 0;
    for (int64_t i = first; i < first + filter_size_; ++i) sum += values[i];
    add_to_sum(packed + sum_byte(first), -kCodeShift * sum);
  }
}

void add_to_sum(int8_t* at, int32_t difference) {
  int32_t sum = 0;
  std::memcpy(&sum, at, sizeof sum);
  sum += difference;
  std::memcpy(at, &sum, sizeof sum);
}

}  // namespace flatenn::engine::onednn
