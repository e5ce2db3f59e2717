#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "flatenn/base/config.h"

namespace flatenn::study {

/// What is measured of each network after the campaigns, over the first `images` test images (0:
/// all). A part that the definition leaves out is not done.
struct AnalysisSettings {
  struct Cost {
    std::vector<std::string> hardware;  ///< As analysis::find_hardware() takes them; empty: none.
    int64_t images = 0;
  } cost;

  struct Sharpness {
    bool wanted = false;
    std::vector<double> rho;
    double noise = 0;
    int64_t samples = 0;
    int64_t eigenvalues = 0;
    double rate = 0;  ///< Of bit errors.
    int64_t trials = 0;
    int64_t images = 0;
  } sharpness;

  struct Sensitivity {
    int64_t trials = 0;  ///< 0: none.
    double rate = 0;
    int64_t images = 0;
    int64_t gradient_images = 0;  ///< Of the training split, for the estimates.
    int64_t attack = 0;           ///< Flips of the bit search; 0: none.
    double harden = 0;            ///< Bit error rate of hardening and check codes; 0: neither.
  } sensitivity;

  struct Landscape {
    int64_t line_points = 0;   ///< 0: none.
    int64_t plane_points = 0;  ///< Along each axis, for networks of the first seed; 0: none.
    double range = 0;
    int64_t images = 0;
  } landscape;
};

/// By name of a level: "brief", "full".
using AnalysisLevels = std::map<std::string, AnalysisSettings>;

/// Reads [analysis.NAME] for every NAME. Throws Error with file and line.
AnalysisLevels read_analysis_levels(Config& config);

}  // namespace flatenn::study
