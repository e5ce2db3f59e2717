#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>

namespace flatenn::engine {

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
