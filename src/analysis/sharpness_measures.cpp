#include "flatenn/analysis/sharpness_measures.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "flatenn/base/error.h"

namespace flatenn::analysis {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double hessian(const nlohmann::json& result, const char* key) {
  const auto found = result.find("hessian");
  if (found == result.end()) return kNone;
  const nlohmann::json& value = found->at(key);
  return value.is_array() ? value.at(0).get<double>() : value.get<double>();
}

double first_radius(const nlohmann::json& result, const char* key) {
  return result.at("radii").empty() ? kNone : result.at("radii").at(0).at(key).get<double>();
}

double average_case(const nlohmann::json& result) {
  const nlohmann::json& radii = result.at("radii");
  return radii.empty() ? kNone : radii.at(0).at("average").at("mean").get<double>();
}

constexpr SharpnessMeasure kMeasures[] = {
    {"one_step", "Rise, one SAM step", "one step",
     [](const nlohmann::json& r) { return first_radius(r, "one_step"); }},
    {"worst", "Rise, worst case", "worst",
     [](const nlohmann::json& r) { return first_radius(r, "worst"); }},
    {"average", "Rise, average case", "average", average_case},
    {"m_sharpness", "m-sharpness", "m-sharpness",
     [](const nlohmann::json& r) { return first_radius(r, "m_sharpness"); }},
    {"adaptive", "Rise, adaptive step", "adaptive",
     [](const nlohmann::json& r) { return first_radius(r, "adaptive"); }},
    {"noise", "Rise, Gaussian noise", "noise",
     [](const nlohmann::json& r) { return r.at("noise").at("rise").at("mean").get<double>(); }},
    {"bit_errors", "Rise, bit flips", "bit flips",
     [](const nlohmann::json& r) { return r.at("bit_errors").at("rise").get<double>(); }},
    {"eigenvalue", "Largest eigenvalue", "largest eigenvalue",
     [](const nlohmann::json& r) { return hessian(r, "eigenvalues"); }},
    {"trace", "Hessian trace", "trace",
     [](const nlohmann::json& r) { return hessian(r, "trace"); }},
};

}  // namespace

std::span<const SharpnessMeasure> sharpness_measures() { return kMeasures; }

const SharpnessMeasure& sharpness_measure(std::string_view id) {
  const auto* found =
      std::find_if(std::begin(kMeasures), std::end(kMeasures),
                   [&](const SharpnessMeasure& measure) { return id == measure.id; });
  FLATENN_CHECK(found != std::end(kMeasures), "sharpness measure: there is no '", id, "'");
  return *found;
}

}  // namespace flatenn::analysis
