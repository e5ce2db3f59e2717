#pragma once

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "flatenn/engine/engine.h"
#include "flatenn/interop/onnx.h"
#include "flatenn/net/network.h"

/// Files of tests/corpus (its README says what they hold).
namespace flatenn::corpus {

inline const std::filesystem::path kFolder = FLATENN_CORPUS;

inline nlohmann::json read_json(const std::filesystem::path& path) {
  return nlohmann::json::parse(std::ifstream(path));
}

inline std::string gunzip(const std::filesystem::path& path) {
  std::string bytes;
  gzFile file = gzopen(path.c_str(), "rb");
  std::vector<char> buffer(1 << 16);
  for (int got = 0; (got = gzread(file, buffer.data(), 1 << 16)) > 0;) {
    bytes.append(buffer.data(), static_cast<size_t>(got));
  }
  gzclose(file);
  return bytes;
}

/// Values of one stored tensor.
inline std::vector<float> values(const nlohmann::json& tensor, const std::string& bytes) {
  int64_t count = 1;
  for (const int64_t dim : tensor["shape"]) count *= dim;
  const size_t offset = tensor["offset"];
  const std::string type = tensor["dtype"];
  std::vector<float> result;
  for (int64_t i = 0; i < count; ++i) {
    const size_t size = type == "float32" ? 4 : type == "int64" ? 8 : 1;
    const auto at = offset + static_cast<size_t>(i) * size;
    if (type == "int64") {
      int64_t value = 0;
      std::memcpy(&value, bytes.data() + at, 8);
      result.push_back(static_cast<float>(value));
    } else if (type == "float32") {
      float value = 0;
      std::memcpy(&value, bytes.data() + at, 4);
      result.push_back(value);
    } else if (type == "int8") {
      result.push_back(static_cast<int8_t>(bytes.at(at)));
    } else {
      result.push_back(static_cast<uint8_t>(bytes.at(at)));
    }
  }
  return result;
}

/// Every form in which networks are exported.
inline constexpr std::array kForms{interop::OnnxForm::kQdq, interop::OnnxForm::kQdqInt4,
                                   interop::OnnxForm::kQonnx};

/// Values [image, ...] as the network's input codes, as eval makes them; a fourth extent that is
/// the network's channels stands last.
inline std::shared_ptr<const engine::ImageCodes> image_codes(const net::Network& network,
                                                             const std::vector<int64_t>& shape,
                                                             const std::vector<float>& values) {
  auto result = std::make_shared<engine::ImageCodes>();
  const net::Activation& input = network.input();
  result->shape = input.shape;
  result->count = shape[0];
  const bool channels_last =
      shape.size() == 4 && shape[3] == input.shape.channels && shape[1] != input.shape.channels;
  const int64_t plane = input.shape.height * input.shape.width;
  const auto pick = [](const std::vector<float>& list, int64_t channel, float fallback) {
    if (list.empty()) return fallback;
    return list[list.size() == 1 ? 0 : static_cast<size_t>(channel)];
  };
  for (int64_t i = 0; i < result->count; ++i) {
    for (int64_t c = 0; c < input.shape.channels; ++c) {
      for (int64_t p = 0; p < plane; ++p) {
        const int64_t at = channels_last ? (i * plane + p) * input.shape.channels + c
                                         : (i * input.shape.channels + c) * plane + p;
        float x = values[static_cast<size_t>(at)] * pick(network.image.factor, c, 1);
        x += pick(network.image.shift, c, 0);
        float code = std::nearbyint(x / input.scale) + static_cast<float>(input.zero_point);
        code = std::clamp(code, static_cast<float>(input.min_code()),
                          static_cast<float>(input.max_code()));
        result->codes.push_back(static_cast<int8_t>(static_cast<int>(code)));
      }
    }
  }
  return result;
}

}  // namespace flatenn::corpus
