#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "flatenn/calibration/calibrate.h"
#include "flatenn/interop/onnx.h"

namespace flatenn::cli {

/// What `flatenn import --calibrate` is asked for.
struct CalibratedImport {
  std::string model;
  std::string output;
  bool json = false;
  std::string dataset;  ///< Empty: no calibration.
  std::string data_root;
  std::string method = "min-max";
  int64_t calibration_images = 512;
  int64_t images = 0;
  interop::Pixels pixels = interop::Pixels::kAsSaid;
  std::vector<float> mean;
  std::vector<float> std;
  calibration::CalibrationOptions options;

  /// Adds --calibrate and all that depends on it. `pixels_option` is the one that fills the field.
  void declare(CLI::App& command, CLI::Option& pixels_option);
};

/// Quantizes the float network `model` to `output`; prints its layers and the accuracy of both.
void run_calibrated_import(CalibratedImport request);

}  // namespace flatenn::cli
