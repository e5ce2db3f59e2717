#include <array>
#include <nlohmann/json.hpp>

#include "base/temporary_folder.h"
#include "campaign/test_plan.h"
#include "data/cifar.h"
#include "data/idx.h"
#include "data/png.h"
#include "flatenn/base/file.h"
#include "flatenn/campaign/results.h"
#include "flatenn/data/catalogue.h"
#include "flatenn/interop/onnx.h"
#include "net/testing.h"
#include "readers.h"

namespace flatenn::fuzz {
namespace {

void read_model(const std::string& bytes) { interop::read_onnx(file_of(bytes, "model.onnx")); }

std::vector<std::string> model_seeds() {
  std::vector<std::string> seeds;
  const TemporaryFolder folder;
  for (const net::Network& network :
       {net::testing::mlp({}), net::testing::lenet({.value_map = net::ValueMap::kOdd}, 12),
        net::testing::residual({.per_channel = false}, 2, 4), net::testing::odd_shapes({})}) {
    interop::write_onnx(network, folder / "model.onnx");
    seeds.push_back(read_file(folder / "model.onnx"));
  }
  return seeds;
}

void read_database(const std::string& bytes) {
  const std::string path = file_of(bytes, "results.db");
  for (const campaign::PlanResult& plan : campaign::load_results(path)) campaign::to_json(plan);
}

std::vector<std::string> database_seeds() {
  std::vector<std::string> seeds;
  for (const char* const plan : {"trials = 4\nrates = [0.01, 0.1]\n",
                                 "single_fault = \"sampled\"\nsingle_fault_error = 0.3\n",
                                 "trials = 6\nimages_per_trial = 7\nkinds = [\"stuck_at_0\"]\n"}) {
    const campaign::testing::SmallCampaign small(40);
    small.run(small.plan_of_one(plan), "results.db");
    seeds.push_back(read_file(small.folder() / "results.db"));
  }
  return seeds;
}

std::string big_endian(std::initializer_list<uint32_t> words) {
  std::string bytes;
  for (const uint32_t word : words) {
    for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(word >> shift & 0xff);
  }
  return bytes;
}

/// Three images and their labels, one of the two from the fuzzer.
std::string good_images() { return big_endian({2051, 3, 28, 28}) + std::string(3 * 784, 'x'); }
std::string good_labels() { return big_endian({2049, 3}) + std::string("\0\1\2", 3); }

void read_idx(const std::string& images, const std::string& labels) {
  data::ImageSet set;
  data::read_idx(file_of(images, "images"), file_of(labels, "labels"), {}, set);
}

void read_idx_images(const std::string& bytes) { read_idx(bytes, good_labels()); }
void read_idx_labels(const std::string& bytes) { read_idx(good_images(), bytes); }
std::vector<std::string> idx_image_seeds() { return {good_images()}; }
std::vector<std::string> idx_label_seeds() { return {good_labels()}; }

void read_cifar(const std::string& bytes) {
  data::ImageSet set;
  data::read_cifar(data::kCifar10, {file_of(bytes, "batch.bin")}, set);
}

std::vector<std::string> cifar_seeds() { return {std::string(2 * 3073, '\3')}; }

void read_png(const std::string& bytes) {
  data::decode_png("fuzz.png", {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

std::vector<std::string> png_seeds() {
  return {data::encode_png({.width = 4, .height = 3, .rgb = std::vector<uint8_t>(36, 77)})};
}

constexpr std::array<Reader, 6> kReaders = {{{"onnx", read_model, model_seeds},
                                             {"database", read_database, database_seeds},
                                             {"idx_images", read_idx_images, idx_image_seeds},
                                             {"idx_labels", read_idx_labels, idx_label_seeds},
                                             {"cifar", read_cifar, cifar_seeds},
                                             {"png", read_png, png_seeds}}};

}  // namespace

std::span<const Reader> binary_readers() { return kReaders; }

}  // namespace flatenn::fuzz
