#pragma once

#include <cstdint>
#include <dnnl.hpp>
#include <vector>

namespace flatenn::engine::onednn {

/// Where oneDNN keeps the weights of one layer, written here without its reorders: oneDNN 3.7
/// misplaces weights whose input channels do not fill a block. Holds no weights.
class Packing {
 public:
  /// `desc` [O, I, h, w] or [G, O, I, h, w]: what a primitive wants to read. Throws Error where it
  /// holds more than blocks of weights and one sum a filter.
  explicit Packing(const dnnl::memory::desc& desc);

  int64_t bytes() const { return bytes_; }
  /// Byte of a weight given by its row-major index over the tensor's dimensions.
  int64_t byte(int64_t element) const;
  /// Whether each filter has an int32 beside its weights, -128 times their sum, as layers that read
  /// signed codes need without AMX: oneDNN adds 128 to the codes.
  bool compensated() const { return bytes_ > sums_; }
  /// Byte of the sum of the filter that holds `element`.
  int64_t sum_byte(int64_t element) const;
  /// `values` row-major; `packed` [bytes()] of zeros.
  void pack(const int8_t* values, int8_t* packed) const;

 private:
  void pack_from(size_t dim, int64_t at, const int8_t*& values, int8_t* packed) const;
  void add_sums(const int8_t* values, int8_t* packed) const;

  std::vector<int64_t> dims_;
  std::vector<int64_t> element_strides_;       ///< Of the row-major tensor.
  std::vector<std::vector<int64_t>> offsets_;  ///< [dimension][index]; their sum is the byte.
  int64_t filters_ = 0;                        ///< Of one group.
  int64_t padded_filters_ = 0;
  int64_t filter_size_ = 0;
  int64_t sums_ = 0;  ///< Byte of the first sum, behind the padded weights.
  int64_t bytes_ = 0;
};

inline constexpr int32_t kCodeShift = 128;

/// Adds to the sum at `at`, which need not be aligned.
void add_to_sum(int8_t* at, int32_t difference);

}  // namespace flatenn::engine::onednn
