#include "train/weight_faults.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "flatenn/base/error.h"
#include "flatenn/train/freeze.h"
#include "train/testing.h"

namespace flatenn::train {
namespace {

using nn::WeightQuantizerKind;

nn::Model model_with(WeightQuantizerKind quantizer, bool per_channel = false) {
  nn::ModelOptions options = testing::options_for("lenet5");
  options.quant.quantizer = quantizer;
  options.quant.first_last_bits = 7;
  options.quant.per_channel = per_channel;
  return testing::calibrated_model(options);
}

fault::FaultModel every_kind(fault::Encoding encoding) {
  fault::FaultModel model{.encoding = encoding};
  model.sources.push_back({.kinds = {.bit_flip = 0.4,
                                     .stuck_at_0 = 0.2,
                                     .stuck_at_1 = 0.2,
                                     .flip_0_to_1 = 0.1,
                                     .flip_1_to_0 = 0.1}});
  return model;
}

TEST(WeightFaults, AreThoseThatACampaignInjectsIntoTheFrozenNetwork) {
  for (const WeightQuantizerKind quantizer :
       {WeightQuantizerKind::kLsq, WeightQuantizerKind::kTied, WeightQuantizerKind::kLiq}) {
    nn::Model model = model_with(quantizer);
    for (const std::string& name : fault::encoding_names()) {
      const fault::FaultModel faults = every_kind(fault::parse_encoding(name));
      WeightFaults training(model, faults);
      for (const uint64_t trial : {0U, 7U}) {  // the second map replaces the first
        const WordMasks map = training.draw(0.02, 3, trial);
        EXPECT_GT(map.faults, 0);
        training.set(map);
        training.apply();
        const auto expected = testing::changes_in_campaign(model, faults, 0.02, trial);
        double landed = 0;
        for (size_t i = 0; i < expected.size(); ++i) {
          const torch::Tensor& got = model->layers()[i]->value_change;
          landed += got.abs().sum().item<double>();
          EXPECT_TRUE(torch::equal(got.reshape({-1}), expected[i]))
              << nn::to_string(quantizer) << ", " << name << ", layer " << i;
        }
        EXPECT_GT(landed, 0);
      }
    }
  }
}

/// A layer reads Q(w) as its faulty words stand for it; the weights' gradient goes straight
/// through, a learned scale's is that of the faulty value.
TEST(WeightFaults, AForwardPassReadsTheFaultyWordsAndItsGradientGoesStraightThrough) {
  for (const bool per_channel : {false, true}) {
    for (const WeightQuantizerKind quantizer :
         {WeightQuantizerKind::kLsq, WeightQuantizerKind::kLiq}) {
      nn::Model model = model_with(quantizer, per_channel);
      nn::QuantLayerImpl& layer = *model->layers()[3];
      const torch::Tensor identity = torch::eye(layer.spec().in_channels);
      const auto run = [&] {
        layer.zero_grad();
        const torch::Tensor y = layer.forward(identity) - layer.bias;
        (y * torch::sin(torch::arange(y.numel()).view(y.sizes()))).sum().backward();
        return y.detach().t().contiguous();
      };
      const torch::Tensor clean = run();
      const torch::Tensor clean_gradient = layer.weight.grad().clone();
      const torch::Tensor clean_scale = layer.quantizer->log_scale.grad().clone();

      WeightFaults faults(model, every_kind(fault::Encoding::kTwosComplement));
      faults.set(faults.draw(0.05, 1, 0));
      faults.apply();
      const torch::Tensor faulty = run();
      torch::Tensor scale = layer.quantizer->quantize(layer.weight).scales.to(torch::kFloat32);
      if (per_channel) scale = scale.view({-1, 1});
      const torch::Tensor change = layer.value_change * scale;
      EXPECT_GT(change.abs().max().item<double>(), 0);
      EXPECT_TRUE(torch::allclose(faulty, clean + change, 1e-5, 1e-6));
      EXPECT_TRUE(torch::equal(layer.weight.grad(), clean_gradient));
      EXPECT_FALSE(torch::allclose(layer.quantizer->log_scale.grad(), clean_scale));

      WeightFaults::clear(*model);
      EXPECT_TRUE(torch::equal(run(), clean));
    }
  }
}

TEST(WeightFaults, AtRateZeroChangeNothing) {
  nn::Model model = model_with(WeightQuantizerKind::kLsq);
  WeightFaults faults(model, every_kind(fault::Encoding::kSignMagnitude));
  const WordMasks map = faults.draw(0, 1, 0);
  EXPECT_EQ(map.faults, 0);
  faults.set(map);
  faults.apply();
  for (const auto& layer : model->layers())
    EXPECT_EQ(layer->value_change.abs().max().item<float>(), 0);
}

TEST(WeightFaults, RefuseWhatIsNoFaultOfWeightBits) {
  nn::Model model = model_with(WeightQuantizerKind::kLsq);
  fault::FaultModel activations;
  activations.sources.push_back({.target = fault::FaultTarget::kActivations});
  EXPECT_THROW(WeightFaults(model, activations), Error);
  fault::FaultModel guarded = every_kind(fault::Encoding::kTwosComplement);
  guarded.protection.code = fault::CheckCode::kParity;
  EXPECT_THROW(WeightFaults(model, guarded), Error);
  fault::FaultModel stranger = every_kind(fault::Encoding::kTwosComplement);
  stranger.sources[0].layers = {"conv9"};
  EXPECT_THROW(WeightFaults(model, stranger), Error);
  nn::ModelOptions unquantized = testing::options_for("lenet5");
  unquantized.quant.enabled = false;
  EXPECT_THROW(WeightFaults(nn::Model(unquantized), every_kind(fault::Encoding::kGray)), Error);
}

}  // namespace
}  // namespace flatenn::train
