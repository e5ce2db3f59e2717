#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string_view>

namespace flatenn::analysis {

/// One number that tells how sharp a minimum is, read from a result of `flatenn sharpness`. Radii
/// are the first one measured.
struct SharpnessMeasure {
  const char* id;                                ///< "one_step"
  const char* title;                             ///< "Rise, one SAM step"
  const char* column;                            ///< The same at the head of a column: "one step"
  double (*read)(const nlohmann::json& result);  ///< NaN where it was not measured.
};

std::span<const SharpnessMeasure> sharpness_measures();
/// The one of this id, which must exist.
const SharpnessMeasure& sharpness_measure(std::string_view id);

}  // namespace flatenn::analysis
