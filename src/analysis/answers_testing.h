#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "engine/testing.h"
#include "flatenn/engine/engine.h"
#include "flatenn/engine/evaluate.h"
#include "net/testing.h"

namespace flatenn::analysis {

/// A random perceptron, 40 random images, and the network's own answers as labels: golden
/// accuracy 1.
class OwnAnswers : public testing::Test {
 protected:
  OwnAnswers() {
    const std::vector<float> logits = engine::golden_logits(*engine_, *network_, *codes_);
    for (const int64_t label : engine::top1_of_rows(logits, network_->classes()))
      labels_.push_back(static_cast<uint16_t>(label));
  }

  std::shared_ptr<net::Network> network_ =
      std::make_shared<net::Network>(net::testing::mlp({.seed = 3}));
  std::shared_ptr<const engine::ImageCodes> codes_ =
      engine::testing::random_images(*network_, 40, 7);
  std::unique_ptr<engine::Engine> engine_ =
      engine::make_engine(network_, codes_, {.kind = engine::EngineKind::kReference, .threads = 1});
  std::vector<uint16_t> labels_;
};

}  // namespace flatenn::analysis
