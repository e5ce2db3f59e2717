#include "flatenn/train/freeze.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "base/temporary_folder.h"
#include "engine/reference.h"
#include "flatenn/base/error.h"
#include "flatenn/engine/engine.h"
#include "flatenn/interop/onnx.h"
#include "flatenn/net/content_hash.h"
#include "flatenn/nn/sparsity.h"
#include "train/testing.h"

namespace flatenn::train {
namespace {

using testing::Batch;
using testing::batch_for;
using testing::calibrated_model;
using testing::loss_of;
using testing::options_for;

/// A model a few steps into training, so that batch norm, scales and biases are not at their start.
nn::Model trained_model(const nn::ModelOptions& options) {
  nn::Model model = calibrated_model(options);
  torch::optim::SGD optimizer(model->parameters(), torch::optim::SGDOptions(0.05).momentum(0.9));
  for (int64_t step = 0; step < 5; ++step) {
    optimizer.zero_grad();
    loss_of(model, batch_for(options, 16, step)).backward();
    optimizer.step();
  }
  model->eval();
  return model;
}

std::shared_ptr<const engine::ImageCodes> image_codes(const nn::Model& model, const Batch& batch) {
  const torch::Tensor codes = model->quantizers()[0]->codes(batch.images).contiguous();
  auto images = std::make_shared<engine::ImageCodes>();
  images->shape = model->shapes()[0];
  images->count = batch.images.size(0);
  for (int64_t i = 0; i < codes.numel(); ++i)
    images->codes.push_back(static_cast<int8_t>(codes.data_ptr<float>()[i]));
  return images;
}

/// Codes an engine computes for what each multiplying layer but the first reads, as the training
/// network's evaluation records them.
void expect_equal_codes(nn::Model& model, const Batch& batch, const std::string& what) {
  const FreezeResult frozen = freeze(*model);
  const auto network = std::make_shared<const net::Network>(frozen.network);
  const auto engine = engine::make_engine(network, image_codes(model, batch),
                                          {.kind = engine::EngineKind::kReference, .threads = 1});
  model->set_recording(true);
  const torch::Tensor logits = model->forward(batch.images);
  int64_t compared = 0, different = 0;
  for (const nn::LayerInput& input : model->layer_inputs()) {
    const int64_t activation = model->layers()[static_cast<size_t>(input.layer)]->spec().src;
    const std::vector<int16_t> codes = engine->codes({}, activation);
    const torch::Tensor mine = input.values.contiguous();
    ASSERT_EQ(static_cast<int64_t>(codes.size()), mine.numel()) << what;
    for (size_t i = 0; i < codes.size(); ++i)
      different += static_cast<float>(codes[i]) != mine.data_ptr<float>()[i];
    compared += mine.numel();
  }
  EXPECT_EQ(different, 0) << what << ": of " << compared;
  std::vector<float> expected(static_cast<size_t>(logits.numel()));
  std::vector<engine::Job> jobs(1);
  jobs[0].logits = expected;
  engine->run(jobs);
  const torch::Tensor reference = torch::from_blob(expected.data(), logits.sizes());
  EXPECT_TRUE(torch::allclose(logits, reference, 1e-4, 1e-4)) << what;
}

TEST(Freeze, CodesEqualTheTrainingNetworksLayerByLayer) {
  for (const std::string architecture : {"lenet5", "mlp", "resnet20", "resnet18"})
    for (const bool per_channel : {false, true}) {
      nn::ModelOptions options = options_for(architecture);
      options.quant.per_channel = per_channel;
      options.fatrelu = per_channel ? 0.1 : 0;
      nn::Model model = trained_model(options);
      expect_equal_codes(model, batch_for(options, 8, 9), architecture);
    }
}

/// Depthwise convolutions, signed bottlenecks, joined channels, windows that are not square.
TEST(Freeze, ArchitecturesOfTheZooFreezeToTheirCodes) {
  for (const std::string architecture :
       {"resnet8", "mobilenetv1-0.25", "mobilenetv2", "ds-cnn", "densenet-bc-40-12"}) {
    nn::ModelOptions options = options_for(architecture);
    options.input = {3, 32, 32};
    nn::Model model = calibrated_model(options);
    model->train();
    torch::optim::SGD optimizer(model->parameters(), torch::optim::SGDOptions(0.01));
    loss_of(model, batch_for(options, 4, 0)).backward();
    optimizer.step();
    model->eval();
    const Batch batch = batch_for(options, 2, 9);
    const auto network = std::make_shared<const net::Network>(freeze(*model).network);
    const auto images = image_codes(model, batch);
    engine::ReferenceEngine engine(network, images, 1);
    std::vector<float> logits(static_cast<size_t>(2 * network->classes()));
    const engine::Trace expected = engine.trace({.logits = logits});
    const std::vector<torch::Tensor> traced = model->trace(model->image_codes(batch.images));
    for (size_t a = 0; a + 1 < traced.size(); ++a) {
      const torch::Tensor mine = traced[a].contiguous();
      ASSERT_EQ(std::ssize(expected.codes[a]), mine.numel());
      for (int64_t i = 0; i < mine.numel(); ++i)
        ASSERT_EQ(mine.data_ptr<float>()[i], expected.codes[a][static_cast<size_t>(i)])
            << architecture << " " << network->activations[a].name;
    }
    const torch::Tensor last = traced.back().flatten().contiguous();
    for (size_t i = 0; i < expected.logits.size(); ++i)
      EXPECT_EQ(last.data_ptr<float>()[i], expected.logits[i]) << architecture;
    // What files hold is what was frozen.
    const TemporaryFolder folder;
    interop::write_onnx(*network, folder / "m.onnx");
    EXPECT_EQ(net::content_hash(interop::read_onnx(folder / "m.onnx")), net::content_hash(*network))
        << architecture;
  }
}

TEST(Freeze, EveryQuantizerFreezesToItsTrainingCodes) {
  for (const std::string quantizer : {"lsq", "tied", "liq"}) {
    nn::ModelOptions options = options_for("resnet20");
    options.quant.quantizer = nn::parse_weight_quantizer(quantizer);
    options.quant.first_last_bits = 0;
    nn::Model model = trained_model(options);
    expect_equal_codes(model, batch_for(options, 8, 9), quantizer);
    const FreezeResult frozen = freeze(*model);
    EXPECT_EQ(frozen.network.metadata.at("quantizer"), quantizer);
    const auto rms = nn::code_rms(*model);
    for (const auto& [layer, value] : frozen.code_rms) EXPECT_NEAR(value, rms.at(layer), 1e-4);
  }
}

/// Training mode rounds real values where the frozen network rounds codes: away from ties, and with
/// each layer reading the frozen layer's input, both give the same codes.
TEST(Freeze, RealValuedLayersGiveTheFrozenCodesAwayFromTies) {
  const nn::ModelOptions options = options_for("lenet5");
  nn::Model model = trained_model(options);
  const Batch batch = batch_for(options, 8, 9);
  const auto network = std::make_shared<const net::Network>(freeze(*model).network);
  const auto engine = engine::make_engine(network, image_codes(model, batch),
                                          {.kind = engine::EngineKind::kReference, .threads = 1});
  const torch::NoGradGuard no_grad;
  for (const auto& layer : model->layers()) {
    const nn::LayerSpec& spec = layer->spec();
    if (!model->quantizers()[static_cast<size_t>(spec.dst)]) continue;
    const auto to_tensor = [&](int64_t activation) {
      const std::vector<int16_t> codes = engine->codes({}, activation);
      const net::Shape& shape = model->shapes()[static_cast<size_t>(activation)];
      return torch::tensor(std::vector<float>(codes.begin(), codes.end()))
          .view({8, shape.channels, shape.height, shape.width});
    };
    const double input_scale = model->quantizer_of(spec.src).scale().item<double>();
    const auto& quantizer = *model->quantizers()[static_cast<size_t>(spec.dst)];
    const torch::Tensor y = layer->forward(to_tensor(spec.src) * input_scale) / quantizer.scale();
    const torch::Tensor rounded =
        y.round().clamp(0, static_cast<double>(quantizer.grid().max_code));
    const torch::Tensor expected = to_tensor(spec.dst).view_as(y);
    // The float bias and the rounded one differ by at most half a unit of the accumulator.
    const double unit = input_scale *
                        layer->fold(model->quantizer_of(spec.src).scale()).scales.item<double>() /
                        quantizer.scale().item<double>();
    const torch::Tensor to_tie = (y - y.floor() - 0.5).abs();
    const torch::Tensor wrong = (rounded != expected).logical_and(to_tie > 1e-3 + unit / 2);
    EXPECT_EQ(wrong.sum().item<int64_t>(), 0) << spec.name;
  }
}

TEST(Freeze, StructureAndSparsityOfLeNet5) {
  nn::Model model = trained_model(options_for("lenet5"));
  const FreezeResult frozen = freeze(*model, {.name = "net", .metadata = {{"recipe", "sgd"}}});
  const net::Network& network = frozen.network;
  EXPECT_EQ(network.name, "net");
  EXPECT_EQ(network.metadata.at("recipe"), "sgd");
  EXPECT_EQ(network.layers.size(), 7u);
  EXPECT_EQ(net::weight_bits(network), 150 * 8 + (2400 + 48000 + 10080) * 4 + 840 * 8);
  for (size_t i = 0; i < network.activations.size(); ++i)
    EXPECT_EQ(network.activations[i].shape, model->shapes()[i]);
}

TEST(Freeze, SignMagnitudeSaturatesTheLeastCode) {
  nn::ModelOptions options = options_for("mlp");
  options.quant.first_last_bits = 0;
  nn::Model model = trained_model(options);
  {
    const torch::NoGradGuard no_grad;
    model->layers()[0]->weight[0].fill_(-100);
  }
  const FreezeResult plain = freeze(*model);
  const FreezeResult frozen = freeze(*model, {.encoding = fault::Encoding::kSignMagnitude});
  const auto least = [](const net::Network& network) {
    const auto& codes = network.layers[0].weights.codes;
    return *std::min_element(codes.begin(), codes.end());
  };
  EXPECT_EQ(least(plain.network), -8);
  EXPECT_EQ(plain.saturated_codes, 0);
  EXPECT_EQ(least(frozen.network), -7);
  EXPECT_GE(frozen.saturated_codes, 768);
}

TEST(Freeze, NamesLayersWhoseCodesLeftTheSaneRange) {
  nn::ModelOptions options = options_for("lenet5");
  options.quant.first_last_bits = 0;
  nn::Model model = trained_model(options);
  {
    const torch::NoGradGuard no_grad;
    model->layers()[4]->quantizer->log_scale.add_(8);
    model->layers()[1]->weight.abs_().neg_();
    model->layers()[1]->quantizer->log_scale.sub_(8);
  }
  const FreezeResult frozen = freeze(*model);
  ASSERT_EQ(frozen.warnings.size(), 2u);
  EXPECT_NE(frozen.warnings[0].find("layer conv2: code rms"), std::string::npos);
  EXPECT_NE(frozen.warnings[1].find("layer fc3: code rms"), std::string::npos);
}

TEST(Freeze, NamesClampedChannels) {
  nn::Model model = trained_model(options_for("resnet20"));
  {
    const torch::NoGradGuard no_grad;
    model->layers()[2]->gamma[3] = 0;
  }
  const FreezeResult frozen = freeze(*model);
  ASSERT_FALSE(frozen.warnings.empty());
  const std::string& name = model->layers()[2]->spec().name;
  EXPECT_NE(frozen.warnings[0].find("layer " + name + ", channel 3: "), std::string::npos)
      << frozen.warnings[0];
}

TEST(Freeze, RefusesModelsThatCannotBeFrozen) {
  nn::ModelOptions options = options_for("mlp");
  EXPECT_THROW(freeze(*nn::Model(options)), Error) << "not calibrated";
  options.quant.enabled = false;
  EXPECT_THROW(freeze(*nn::Model(options)), Error) << "not quantized";
  nn::Model broken = trained_model(options_for("mlp"));
  {
    const torch::NoGradGuard no_grad;
    broken->layers()[1]->weight[0][0] = NAN;
  }
  EXPECT_THROW(freeze(*broken), Error) << "not finite";
}

}  // namespace
}  // namespace flatenn::train
