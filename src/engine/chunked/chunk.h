#pragma once

#include <cstdint>
#include <span>

namespace flatenn::engine {

/// Which images a chunk holds, and where their outputs go.
struct Chunk {
  int64_t first = 0;              ///< Place of its first image within the job.
  int64_t count = 0;              ///< Images in it.
  std::span<const int64_t> list;  ///< The job's images; empty: all.
  int64_t image(int64_t i) const {
    return list.empty() ? first + i : list[static_cast<size_t>(first + i)];
  }
};

}  // namespace flatenn::engine
