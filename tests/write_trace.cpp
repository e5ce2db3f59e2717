// write_trace MODEL IMAGES FOLDER: runs a network by the reference engine on so many random images,
// or on those of a file (float32 [N, C, H, W]), and writes what it computes, for comparison with
// other runtimes:
//   trace.json   [{"name", "shape", "float", "bits", "scale", "zero_point", "reads"}, ...], one an
//                activation, the image first
//   pixels       float32 [IMAGES, C, H, W], what an exported file takes
//   codes.K      int16 [IMAGES, C, H, W] of activation K; float32 [IMAGES, classes] of float logits
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/reference.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/random.h"
#include "flatenn/interop/onnx.h"

namespace flatenn {
namespace {

float pick(const std::vector<float>& list, int64_t channel, float fallback) {
  if (list.empty()) return fallback;
  return list[list.size() == 1 ? 0 : static_cast<size_t>(channel)];
}

/// Pixels whose codes cover the image's range and a little more, none of them a tie.
std::vector<float> random_pixels(const net::Network& network, int64_t count) {
  RandomStream random(7, 0, RandomPurpose::kWeightFault);
  const net::Activation& image = network.input();
  const int64_t plane = image.shape.height * image.shape.width;
  std::vector<float> pixels;
  for (int64_t i = 0; i < count * image.shape.channels; ++i) {
    const int64_t c = i % image.shape.channels;
    for (int64_t p = 0; p < plane; ++p) {
      const double level = image.min_code() - image.zero_point - 1 +
                           std::floor(random.uniform() * ((1 << image.bits) + 2)) +
                           0.8 * (random.uniform() - 0.5);
      pixels.push_back(static_cast<float>((level * static_cast<double>(image.scale) -
                                           static_cast<double>(pick(network.image.shift, c, 0))) /
                                          static_cast<double>(pick(network.image.factor, c, 1))));
    }
  }
  return pixels;
}

std::shared_ptr<const engine::ImageCodes> codes_of(const net::Network& network, int64_t count,
                                                   const std::vector<float>& pixels) {
  auto images = std::make_shared<engine::ImageCodes>();
  const net::Activation& image = network.input();
  images->shape = image.shape;
  images->count = count;
  const int64_t plane = image.shape.height * image.shape.width;
  for (size_t i = 0; i < pixels.size(); ++i) {
    const int64_t c = static_cast<int64_t>(i) / plane % image.shape.channels;
    const float x = pixels[i] * pick(network.image.factor, c, 1) + pick(network.image.shift, c, 0);
    const float code = std::nearbyint(x / image.scale) + static_cast<float>(image.zero_point);
    images->codes.push_back(static_cast<int8_t>(static_cast<int>(std::clamp(
        code, static_cast<float>(image.min_code()), static_cast<float>(image.max_code())))));
  }
  return images;
}

template <typename T>
void write_numbers(const std::filesystem::path& path, const std::vector<T>& values) {
  write_file_atomically(path,
                        {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
}

nlohmann::json describe(const net::Network& network, int64_t index) {
  const net::Activation& a = network.activations[static_cast<size_t>(index)];
  nlohmann::json json{
      {"name", a.name},      {"shape", {a.shape.channels, a.shape.height, a.shape.width}},
      {"float", a.is_float}, {"bits", a.bits},
      {"scale", a.scale},    {"zero_point", a.zero_point}};
  for (const net::Layer& layer : network.layers) {
    if (layer.dst == index) json["reads"] = layer.inputs();
  }
  return json;
}

std::vector<float> stored_pixels(const net::Network& network, const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  const auto image = static_cast<size_t>(network.input().shape.elements()) * sizeof(float);
  FLATENN_CHECK(!bytes.empty() && bytes.size() % image == 0, path.string(), ": ", bytes.size(),
                " bytes are no whole number of images");
  std::vector<float> pixels(bytes.size() / sizeof(float));
  std::memcpy(pixels.data(), bytes.data(), bytes.size());
  return pixels;
}

void run(const std::filesystem::path& model, const std::string& images,
         const std::filesystem::path& folder) {
  const auto network = std::make_shared<const net::Network>(interop::read_onnx(model));
  std::filesystem::create_directories(folder);
  const std::vector<float> pixels = std::filesystem::is_regular_file(images)
                                        ? stored_pixels(*network, images)
                                        : random_pixels(*network, std::stoll(images));
  const int64_t count = std::ssize(pixels) / network->input().shape.elements();
  write_numbers(folder / "pixels", pixels);
  engine::ReferenceEngine engine(network, codes_of(*network, count, pixels), 1);
  std::vector<float> logits(static_cast<size_t>(count * network->classes()));
  engine::Job job{.logits = logits};
  const engine::Trace trace = engine.trace(job);
  nlohmann::json activations = nlohmann::json::array();
  for (int64_t a = 0; a < std::ssize(network->activations); ++a) {
    activations.push_back(describe(*network, a));
    const std::filesystem::path file = folder / ("codes." + std::to_string(a));
    if (network->activations[static_cast<size_t>(a)].is_float) {
      write_numbers(file, trace.logits);
    } else {
      write_numbers(file, trace.codes[static_cast<size_t>(a)]);
    }
  }
  write_file_atomically(folder / "trace.json", activations.dump(1));
}

}  // namespace
}  // namespace flatenn

int main(int argc, char** argv) {
  try {
    FLATENN_CHECK(argc == 4, "usage: write_trace MODEL IMAGES FOLDER");
    flatenn::run(argv[1], argv[2], argv[3]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "write_trace: %s\n", error.what());
    return 1;
  }
}
