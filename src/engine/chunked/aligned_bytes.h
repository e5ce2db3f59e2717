#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

namespace flatenn::engine {

/// Puts a vector's elements at the start of a cache line.
template <typename T>
struct CacheLineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlignment{64};
  CacheLineAllocator() = default;
  template <typename U>
  explicit CacheLineAllocator(const CacheLineAllocator<U>&) {}
  T* allocate(size_t count) {
    return static_cast<T*>(::operator new(count * sizeof(T), kAlignment));
  }
  void deallocate(T* data, size_t) { ::operator delete(data, kAlignment); }
  bool operator==(const CacheLineAllocator&) const { return true; }
};
template <typename T>
using AlignedVector = std::vector<T, CacheLineAllocator<T>>;

/// Bytes aligned to cache lines and vectors, filled once.
class AlignedBytes {
 public:
  AlignedBytes(int64_t size, uint8_t fill)
      : data_(static_cast<uint8_t*>(::operator new(static_cast<size_t>(size), kAlignment))) {
    std::fill_n(data_.get(), size, fill);
  }
  uint8_t* data() const { return data_.get(); }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(uint8_t* data) const { ::operator delete(data, kAlignment); }
  };
  std::unique_ptr<uint8_t[], Free> data_;
};

}  // namespace flatenn::engine
