#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "calibration/float_names.h"
#include "flatenn/data/image_set.h"

/// Small networks with what ONNX Runtime computes (tests/calibration/make/facts.py), for tests.
namespace flatenn::calibration {

struct Case {
  FloatGraph graph;
  data::ImageSet images;
  nlohmann::json tensors;  ///< By name.
};

inline const std::vector<std::string>& case_names() {
  static const std::vector<std::string> kNames = {"lenet", "resnet", "mobilenet", "squeeze"};
  return kNames;
}

inline Case load_case(const std::string& name) {
  const std::string folder = FLATENN_CALIBRATION_CASES;
  const auto facts = nlohmann::json::parse(std::ifstream(folder + "/expected/" + name + ".json"));
  Case result{.graph = interop::read_float_onnx(folder + "/models/" + name + ".onnx"),
              .images = {},
              .tensors = facts["tensors"]};
  result.graph.image = {.raw_pixels = true, .factor = {4.0F / 255}, .shift = {-2}};
  const std::vector<int64_t> shape = facts["shape"];
  result.images.name = name;
  result.images.channels = shape[0];
  result.images.height = shape[1];
  result.images.width = shape[2];
  result.images.pixels = facts["pixels"].get<std::vector<uint8_t>>();
  result.images.count = std::ssize(result.images.pixels) / result.images.image_elements();
  result.images.labels.assign(static_cast<size_t>(result.images.count), 0);
  result.images.mean.assign(static_cast<size_t>(shape[0]), 0);
  result.images.std.assign(static_cast<size_t>(shape[0]), 1);
  return result;
}

/// `count` images of random pixels, of a case's shape.
inline data::ImageSet random_images(const data::ImageSet& like, int64_t count, uint32_t seed) {
  data::ImageSet images = like;
  images.count = count;
  images.pixels.clear();
  for (int64_t i = 0; i < count * like.image_elements(); ++i) {
    seed = seed * 1664525U + 1013904223U;
    images.pixels.push_back(static_cast<uint8_t>(seed >> 24U));
  }
  images.labels.assign(static_cast<size_t>(count), 0);
  return images;
}

}  // namespace flatenn::calibration
