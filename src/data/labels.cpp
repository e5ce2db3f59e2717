#include "data/labels.h"

#include <algorithm>

#include "flatenn/base/error.h"

namespace flatenn::data {

void check_labels(const std::filesystem::path& path, std::span<const uint16_t> labels,
                  int64_t classes) {
  const auto bad =
      std::find_if(labels.begin(), labels.end(), [&](uint16_t label) { return label >= classes; });
  FLATENN_CHECK(bad == labels.end(), path.string(), ": label of image ", bad - labels.begin(),
                " must be in [0, ", classes - 1, "], got ", *bad);
}

}  // namespace flatenn::data
