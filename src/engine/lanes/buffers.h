#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "engine/lanes/layout.h"

namespace flatenn::engine::lanes {

/// Bytes aligned to vectors, filled once.
class AlignedBytes {
 public:
  AlignedBytes(int64_t size, uint8_t fill)
      : data_(static_cast<uint8_t*>(::operator new(static_cast<size_t>(size), kAlignment))) {
    std::fill_n(data_.get(), size, fill);
  }
  uint8_t* data() const { return data_.get(); }

 private:
  static constexpr std::align_val_t kAlignment{kVectorBytes};
  struct Free {
    void operator()(uint8_t* data) const { ::operator delete(data, kAlignment); }
  };
  std::unique_ptr<uint8_t[], Free> data_;
};

/// One buffer an activation for a chunk of images. Borders hold code 0 and are never written.
class ChunkBuffers {
 public:
  ChunkBuffers(const std::vector<Layout>& layouts, int64_t lane_groups) {
    for (const Layout& layout : layouts) {
      buffers_.emplace_back(layout.bytes * lane_groups, layout.zero);
    }
  }
  uint8_t* operator[](int64_t activation) const {
    return buffers_[static_cast<size_t>(activation)].data();
  }

 private:
  std::vector<AlignedBytes> buffers_;
};

}  // namespace flatenn::engine::lanes
