#include "train/run_testing.h"

#include <fstream>

#include "flatenn/base/error.h"
#include "flatenn/base/random.h"

namespace flatenn::train::testing {
namespace {

constexpr int64_t kExtent = 28;

std::string big_endian(int64_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8)
    bytes.push_back(static_cast<char>((value >> shift) & 0xFF));
  return bytes;
}

void write(const std::filesystem::path& path, const std::string& header,
           std::span<const uint8_t> bytes) {
  std::ofstream file(path, std::ios::binary);
  file << header;
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

void write_split(const std::filesystem::path& folder, const std::string& prefix,
                 const data::ImageSet& images) {
  write(folder / (prefix + "-images-idx3-ubyte"),
        big_endian(0x803) + big_endian(images.count) + big_endian(kExtent) + big_endian(kExtent),
        images.pixels);
  write(folder / (prefix + "-labels-idx1-ubyte"), big_endian(0x801) + big_endian(images.count),
        std::vector<uint8_t>(images.labels.begin(), images.labels.end()));
}

}  // namespace

data::ImageSet easy_images(int64_t count, uint64_t seed) {
  data::ImageSet images{.name = "mnist",
                        .split = data::Split::kTrain,
                        .count = count,
                        .channels = 1,
                        .height = kExtent,
                        .width = kExtent,
                        .class_names = std::vector<std::string>(10, "class"),
                        .mean = {0.1F},
                        .std = {0.3F}};
  RandomStream random(seed, 0, RandomPurpose::kImageSubset);
  for (int64_t i = 0; i < count; ++i) {
    const auto label = static_cast<int64_t>(random.below(10));
    const int64_t top = 2 + 12 * (label / 5);
    const int64_t left = 1 + 5 * (label % 5);
    for (int64_t y = 0; y < kExtent; ++y) {
      for (int64_t x = 0; x < kExtent; ++x) {
        const bool bright = y >= top && y < top + 12 && x >= left && x < left + 5;
        images.pixels.push_back(static_cast<uint8_t>(random.below(60) + (bright ? 180 : 0)));
      }
    }
    images.labels.push_back(static_cast<uint16_t>(label));
  }
  images.content_hash = std::to_string(seed);
  return images;
}

void write_easy_mnist(const std::filesystem::path& root, int64_t train, int64_t test) {
  const std::filesystem::path folder = root / "mnist";
  std::filesystem::create_directories(folder);
  write_split(folder, "train", easy_images(train, 1));
  write_split(folder, "t10k", easy_images(test, 2));
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace flatenn::train::testing
