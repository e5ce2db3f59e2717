#include "flatenn/report/figure.h"

#include <array>

namespace flatenn::report {

const std::string& palette_colour(int64_t index) {
  static const std::array<std::string, 7> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                      "#000000", "#e69f00", "#56b4e9"};
  return kColours[static_cast<size_t>(index) % kColours.size()];
}

}  // namespace flatenn::report
