#include <gtest/gtest.h>

#include "corpus.h"
#include "flatenn/interop/model.h"
#include "flatenn/net/content_hash.h"
#include "flatenn/train/freeze.h"
#include "flatenn/train/harden.h"
#include "nn/network_model_testing.h"

/// Files of other tools (tests/corpus) as trainable models: before the first step every code is the
/// reference engine's, and freezing gives the network back.
namespace flatenn {
namespace {

struct Case {
  std::string name;
  std::string file;
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const nlohmann::json& entry : corpus::read_json(corpus::kFolder / "manifest.json")) {
    if (entry.contains("calibration") || entry["expect"] != "ok") continue;
    result.push_back({entry["name"], entry["file"]});
  }
  return result;
}

class HardenedCorpus : public ::testing::TestWithParam<Case> {
 protected:
  std::shared_ptr<const net::Network> network() const {
    return std::make_shared<net::Network>(
        interop::read_model(corpus::kFolder / "models" / GetParam().file));
  }
};

TEST_P(HardenedCorpus, ComputesTheReferenceEnginesCodes) {
  const auto network = this->network();
  const auto images = engine::testing::random_images(*network, 2, 5);
  for (const bool keep_scales : {true, false})
    nn::testing::expect_reference_codes(network, images, keep_scales);
}

TEST_P(HardenedCorpus, FreezesToTheNetworkItCameFrom) {
  const auto network = this->network();
  for (const bool keep_scales : {true, false}) {
    const nn::Model model(nn::testing::options_of(network, keep_scales));
    const net::Network again = train::freeze(*model).network;
    EXPECT_EQ(net::content_hash(again), net::content_hash(*network));
    EXPECT_EQ(again.name, network->name);
  }
  EXPECT_NO_THROW(train::training_notes(*network, true));
}

INSTANTIATE_TEST_SUITE_P(Files, HardenedCorpus, ::testing::ValuesIn(cases()), [](const auto& one) {
  std::string name = one.param.name;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace flatenn
