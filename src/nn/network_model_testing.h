#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "engine/reference.h"
#include "engine/testing.h"
#include "flatenn/nn/model.h"

/// What tests of models made from frozen networks share.
namespace flatenn::nn::testing {

inline ModelOptions options_of(std::shared_ptr<const net::Network> network, bool keep_scales) {
  const auto channels = static_cast<size_t>(network->input().shape.channels);
  return {.network = std::move(network),
          .keep_scales = keep_scales,
          .mean = std::vector<float>(channels, 0.4F),
          .std = std::vector<float>(channels, 0.25F)};
}

/// Codes of images less the zero point, [N, C, H, W].
inline torch::Tensor centred_codes(const net::Network& network, const engine::ImageCodes& images) {
  const net::Activation& input = network.input();
  torch::Tensor codes =
      torch::empty({images.count, images.shape.channels, images.shape.height, images.shape.width});
  for (size_t i = 0; i < images.codes.size(); ++i) {
    const int8_t byte = images.codes[i];
    const int code = input.is_signed ? byte : static_cast<uint8_t>(byte);
    codes.data_ptr<float>()[i] = static_cast<float>(code - input.zero_point);
  }
  return codes;
}

/// Every code of every activation, and the logits, of a model made from the network against the
/// reference engine: no tolerance.
inline void expect_reference_codes(std::shared_ptr<const net::Network> network,
                                   std::shared_ptr<const engine::ImageCodes> images,
                                   bool keep_scales) {
  Model model(options_of(network, keep_scales));
  model->eval();
  const std::vector<torch::Tensor> traced = model->trace(centred_codes(*network, *images));
  engine::ReferenceEngine reference(network, images, 1);
  std::vector<float> logits(static_cast<size_t>(images->count * network->classes()));
  const engine::Trace expected = reference.trace({.logits = logits});
  for (size_t a = 0; a < network->activations.size(); ++a) {
    const net::Activation& activation = network->activations[a];
    const torch::Tensor mine = traced[a].contiguous();
    const float* got = mine.data_ptr<float>();
    const int64_t size =
        activation.is_float ? std::ssize(expected.logits) : std::ssize(expected.codes[a]);
    ASSERT_EQ(mine.numel(), size) << activation.name;
    for (int64_t i = 0; i < size; ++i) {
      const float want = activation.is_float
                             ? expected.logits[static_cast<size_t>(i)]
                             : static_cast<float>(expected.codes[a][static_cast<size_t>(i)] -
                                                  activation.zero_point);
      ASSERT_EQ(got[i], want) << activation.name << " element " << i << " of " << size;
    }
  }
}

}  // namespace flatenn::nn::testing
