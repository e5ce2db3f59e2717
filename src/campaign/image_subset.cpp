#include "campaign/image_subset.h"

#include <algorithm>
#include <numeric>

#include "flatenn/base/error.h"
#include "flatenn/base/random.h"

namespace flatenn::campaign {

std::vector<int64_t> image_subset(uint64_t seed, int64_t trial, int64_t images, int64_t count) {
  FLATENN_ASSERT(0 <= count && count <= images, "image_subset: ", count, " of ", images);
  RandomStream stream(seed, static_cast<uint64_t>(trial), RandomPurpose::kImageSubset);
  std::vector<int64_t> order(static_cast<size_t>(images));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    std::swap(order[i], order[i + stream.below(order.size() - i)]);
  }
  order.resize(static_cast<size_t>(count));
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace flatenn::campaign
