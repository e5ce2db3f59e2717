#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "flatenn/fault/injector.h"
#include "flatenn/nn/model.h"
#include "flatenn/train/freeze.h"

/// What tests of training share.
namespace flatenn::train::testing {

struct Batch {
  torch::Tensor images;
  torch::Tensor labels;
};

/// Closed-form images in [-1, 1] * spread and labels, the same everywhere.
inline Batch batch_for(const nn::ModelOptions& options, int64_t count, int64_t seed = 0) {
  const net::Shape& shape = options.input;
  const torch::Tensor i =
      torch::arange(count * shape.elements(), torch::kFloat64) + static_cast<double>(77 * seed);
  return {torch::sin(0.013 * i * i + 0.3 * i)
              .to(torch::kFloat32)
              .view({count, shape.channels, shape.height, shape.width}),
          torch::remainder(torch::arange(count) * 3 + seed, options.classes)};
}

inline nn::Model calibrated_model(const nn::ModelOptions& options) {
  nn::Model model(options);
  model->calibrate(batch_for(options, 8).images);
  return model;
}

inline nn::ModelOptions options_for(const std::string& architecture) {
  nn::ModelOptions options;
  options.architecture = architecture;
  options.width = 8;
  if (architecture != "lenet5") options.input = {3, 16, 16};
  return options;
}

inline torch::Tensor loss_of(nn::Model& model, const Batch& batch) {
  return torch::cross_entropy_loss(model->forward(batch.images), batch.labels);
}

/// What a campaign's injector finds in the frozen network, as changes of the values v.
inline std::vector<torch::Tensor> changes_in_campaign(const nn::Model& model,
                                                      const fault::FaultModel& faults, double rate,
                                                      uint64_t trial) {
  const auto network = std::make_shared<net::Network>(freeze(*model).network);
  const fault::Injector injector(network, faults);
  std::vector<torch::Tensor> changes;
  std::map<int32_t, size_t> at;
  for (size_t i = 0; i < network->layers.size(); ++i) {
    if (!network->layers[i].multiplies()) continue;
    at[static_cast<int32_t>(i)] = changes.size();
    changes.push_back(torch::zeros({network->layers[i].weights.elements()}));
  }
  for (const fault::WeightChange& change : injector.inject(rate, 3, trial).weights) {
    const net::Weights& weights =
        injector.network()->layers[static_cast<size_t>(change.layer)].weights;
    const int8_t golden = weights.codes[static_cast<size_t>(change.element)];
    changes[at.at(change.layer)].data_ptr<float>()[change.element] =
        static_cast<float>(weights.value(change.code) - weights.value(golden));
  }
  return changes;
}

/// What must not change: names, kinds, bits, zero points, shapes.
inline void expect_same_structure(const net::Network& before, const net::Network& after) {
  EXPECT_EQ(before.name, after.name);
  ASSERT_EQ(before.layers.size(), after.layers.size());
  for (size_t i = 0; i < before.layers.size(); ++i) {
    const net::Layer& a = before.layers[i];
    const net::Layer& b = after.layers[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.kind, b.kind);
    EXPECT_EQ(a.weights.bits, b.weights.bits);
    EXPECT_EQ(a.weights.zero_points, b.weights.zero_points);
    EXPECT_EQ(a.weights.scales.size(), b.weights.scales.size());
    EXPECT_EQ(a.window, b.window);
    EXPECT_EQ(a.table, b.table);
    EXPECT_EQ(a.twin, b.twin);
  }
  for (size_t i = 0; i < before.activations.size(); ++i) {
    EXPECT_EQ(before.activations[i].bits, after.activations[i].bits);
    EXPECT_EQ(before.activations[i].zero_point, after.activations[i].zero_point);
    EXPECT_EQ(before.activations[i].is_signed, after.activations[i].is_signed);
  }
}

}  // namespace flatenn::train::testing
