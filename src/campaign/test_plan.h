#pragma once

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>

#include "flatenn/base/config.h"
#include "flatenn/base/random.h"
#include "flatenn/campaign/campaign.h"
#include "flatenn/interop/onnx.h"
#include "flatenn/net/content_hash.h"
#include "net/testing.h"
#include "store/store_test_support.h"

/// A little network, images that it mostly gets right, and plans over them.
namespace flatenn::campaign::testing {

inline net::Network small_network(uint64_t seed) {
  net::Network network = net::testing::mlp({.seed = seed});
  network.metadata["name"] = "mlp" + std::to_string(seed);
  network.metadata["dataset"] = "mnist";
  return network;
}

/// Random pixels; the label of image i is what `teacher` says, but another class for every tenth.
inline std::shared_ptr<const data::ImageSet> small_images(const net::Network& teacher,
                                                          int64_t count) {
  auto images = std::make_shared<data::ImageSet>();
  const net::Shape& shape = teacher.input().shape;
  images->name = "mnist";
  images->count = count;
  images->channels = shape.channels;
  images->height = shape.height;
  images->width = shape.width;
  images->mean.assign(static_cast<size_t>(shape.channels), 0.5F);
  images->std.assign(static_cast<size_t>(shape.channels), 0.25F);
  images->content_hash = "hash of " + std::to_string(count) + " test images";
  for (int64_t i = 0; i < teacher.classes(); ++i) {
    images->class_names.push_back(std::to_string(i));
  }
  RandomStream random(1, 0, RandomPurpose::kShuffle);
  for (int64_t i = 0; i < count * shape.elements(); ++i) {
    images->pixels.push_back(static_cast<uint8_t>(random.below(256)));
  }
  images->labels.assign(static_cast<size_t>(count), 0);
  const auto network = std::make_shared<net::Network>(teacher);
  const auto codes = engine::quantize_images(*images, teacher);
  const auto engine = engine::make_engine(network, codes, {.kind = engine::EngineKind::kReference});
  const auto logits = engine::golden_logits(*engine, teacher, *codes);
  const auto classes = static_cast<size_t>(teacher.classes());
  for (size_t i = 0; i < images->labels.size(); ++i) {
    const auto first = logits.begin() + static_cast<std::ptrdiff_t>(i * classes);
    const auto best = std::max_element(first, first + static_cast<std::ptrdiff_t>(classes)) - first;
    images->labels[i] =
        static_cast<uint16_t>((static_cast<size_t>(best) + (i % 10 == 0)) % classes);
  }
  return images;
}

/// Two small networks in a folder, and what a campaign needs to run them.
class SmallCampaign {
 public:
  explicit SmallCampaign(int64_t images = 40) {
    for (const uint64_t seed : {1U, 2U}) {
      interop::write_onnx(small_network(seed), folder_ / ("mlp" + std::to_string(seed) + ".onnx"));
    }
    options_.engine = {.kind = engine::EngineKind::kReference, .threads = 1};
    options_.images = small_images(small_network(1), images);
  }

  /// `keys` are lines of a plan file.
  Plan plan(const std::string& keys) const {
    Config config = Config::from_string("models = [\"mlp1.onnx\", \"mlp2.onnx\"]\n" + keys, "plan");
    return read_plan(config, folder_.path());
  }
  Plan plan_of_one(const std::string& keys) const {
    Config config = Config::from_string("models = [\"mlp1.onnx\"]\n" + keys, "plan");
    return read_plan(config, folder_.path());
  }
  store::Store open(const std::string& name) const {
    return store::Store::open(folder_ / name, store::Store::Access::kWrite);
  }
  CampaignReport run(const Plan& plan, const std::string& db) const {
    store::Store store = open(db);
    Observer quiet;
    return run_campaign(plan, store, options_, quiet);
  }
  CampaignOptions& options() { return options_; }
  const TemporaryFolder& folder() const { return folder_; }

 private:
  TemporaryFolder folder_;
  CampaignOptions options_;
};

}  // namespace flatenn::campaign::testing
