#include <gtest/gtest.h>

#include "base/temporary_folder.h"
#include "corpus.h"
#include "flatenn/base/file.h"
#include "flatenn/interop/model.h"
#include "flatenn/interop/onnx.h"
#include "flatenn/net/content_hash.h"
#include "flatenn/train/freeze.h"
#include "flatenn/train/harden.h"
#include "nn/network_model_testing.h"
#include "train/run_data.h"
#include "train/testing.h"
#include "train/weight_faults.h"
#include "train/weight_range.h"

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

/// With random bit errors training computes with what a campaign makes of the file's words.
TEST_P(HardenedCorpus, LearnsTheFaultsOfTheFilesWords) {
  const auto network = this->network();
  for (const net::Layer& layer : network->layers) {
    const std::vector<int>& zeros = layer.weights.zero_points;
    if (std::any_of(zeros.begin(), zeros.end(), [](int zero) { return zero != 0; }))
      GTEST_SKIP() << "weights with zero points, refused";
    if (layer.twin >= 0) GTEST_SKIP() << "layers that share weights";
  }
  fault::FaultModel faults;
  faults.sources.push_back({.kinds = {.bit_flip = 0.5, .stuck_at_1 = 0.5}});
  for (const bool keep_scales : {true, false}) {
    nn::Model model(nn::testing::options_of(network, keep_scales));
    train::WeightFaults training(model, faults);
    training.set(training.draw(0.02, 3, 1));
    training.apply();
    const auto expected = train::testing::changes_in_campaign(model, faults, 0.02, 1);
    for (size_t i = 0; i < expected.size(); ++i) {
      const nn::QuantLayerImpl& layer = *model->layers()[i];
      EXPECT_TRUE(torch::equal(layer.value_change.reshape({-1}), expected[i])) << i;
      const torch::Tensor step = layer.quantizer->step(layer.weight).detach();
      const torch::Tensor scales =
          layer.quantizer->gain.defined() ? step * layer.quantizer->gain : step;
      EXPECT_TRUE(torch::allclose(scales.to(torch::kFloat64),
                                  layer.quantizer->quantize(layer.weight).scales, 1e-5, 0))
          << i;
    }
  }
}

/// Pixels that are noise, and labels that follow nothing.
train::RunData noise(const net::Network& network, int64_t count) {
  data::ImageSet images;
  const net::Shape shape = network.input().shape;
  images.count = count;
  images.channels = shape.channels;
  images.height = shape.height;
  images.width = shape.width;
  std::vector<uint8_t> pixels(static_cast<size_t>(count * shape.elements()));
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * i * 31 + i / 7);
  images.pixels = std::move(pixels);
  images.mean.assign(static_cast<size_t>(shape.channels), 0.5F);
  images.std.assign(static_cast<size_t>(shape.channels), 0.3F);
  for (int64_t i = 0; i < count; ++i)
    images.labels.push_back(static_cast<uint16_t>(i % network.classes()));
  for (int64_t i = 0; i < network.classes(); ++i) images.class_names.push_back(std::to_string(i));
  return {images, images};
}

/// Tables, zero points, fixed point and all else train, and stay what they are.
TEST_P(HardenedCorpus, TrainsAndKeepsItsStructure) {
  const auto network = this->network();
  const TemporaryFolder folder;
  for (const std::string scales : {"keep", "fresh"}) {
    train::HardenRequest request{.trials = 2};
    request.training = {.out = folder / scales, .quiet = true, .network = network};
    request.training.data = std::make_shared<const train::RunData>(noise(*network, 40));
    const std::string settings =
        "[train]\nepochs = 1\nbatch_size = 20\nthreads = 1\n[optimizer]\nlearning_rate = 1e-4\n"
        "[quant]\nscales = \"" +
        scales + "\"\n";
    const train::HardenOutcome outcome =
        train::harden(Config::from_string(settings, "test.toml"), request);
    EXPECT_EQ(outcome.status, train::RunStatus::kFinished);
    train::testing::expect_same_structure(*network,
                                          interop::read_onnx(request.training.out / "model.onnx"));
  }
}

/// The penalty on ranges is of the scales that the file has.
TEST_P(HardenedCorpus, PenaltyIsOfTheFilesRanges) {
  const nn::Model model(nn::testing::options_of(this->network(), /*keep_scales=*/false));
  double expected = 0;
  for (const auto& layer : model->layers()) {
    const torch::Tensor scales = layer->quantizer->quantize(layer->weight).scales;
    const auto most = static_cast<double>(layer->quantizer->grid().max_value());
    expected += 0.5 * (scales * most).square().mean().item<double>();
  }
  const torch::Tensor got = train::range_penalty(*model, {.penalty = 0.5});
  EXPECT_NEAR(got.item<double>(), expected, 1e-4 * expected);
}

INSTANTIATE_TEST_SUITE_P(Files, HardenedCorpus, ::testing::ValuesIn(cases()), [](const auto& one) {
  std::string name = one.param.name;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace flatenn
