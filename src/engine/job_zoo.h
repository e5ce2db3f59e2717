#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "engine/testing.h"

/// What every engine has to answer as the reference does.
namespace flatenn::engine::testing {

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// Jobs of every kind, with the reference's logits and one activation of each.
class JobsOfEveryKind {
 public:
  JobsOfEveryKind(const net::Network& network, int64_t images, Engine& reference)
      : faults_(network, 0.02, 9),
        last_(net::weight_memory(network).back().layer),
        middle_(network.layers[static_cast<size_t>(last_ / 2)].dst) {
    const auto changes = [&](double share, uint64_t seed, int64_t first_layer = 0) {
      return random_changes(network, share, seed, first_layer);
    };
    const BiasChange bias{
        .layer = static_cast<int32_t>(last_),
        .channel = network.layers[static_cast<size_t>(last_)].weights.out_channels - 1,
        .value = -12345};
    jobs_ = {{},
             {.weights = changes(0.1, 1)},
             {.weights = changes(0.02, 2, last_ / 2)},
             {.weights = changes(1.0, 3)},
             {.weights = changes(0.3, 4, last_), .biases = {bias}},
             {.activations = &faults_},
             {.weights = changes(0.05, 6), .activations = &faults_},
             {.weights = changes(0.05, 7), .images = some_},
             {.activations = &faults_, .images = some_},
             {.weights = changes(0.05, 8), .images = others_},
             {.images = others_},
             {.weights = changes(0.05, 9), .images = single_},
             {.weights = changes(0.05, 10)}};
    for (const Job& job : jobs_) {
      const auto count = job.images.empty() ? static_cast<size_t>(images) : job.images.size();
      expected_.emplace_back(count * static_cast<size_t>(network.classes()));
    }
    aim(expected_);
    reference.run(jobs_);
    for (const Job& job : jobs_) codes_.push_back(reference.codes(job, middle_));
  }

  void expect_equal(Engine& engine, const std::string& what) {
    std::vector<std::vector<float>> got = expected_;
    for (int repetition = 0; repetition < 2; ++repetition) {
      for (auto& logits : got) std::fill(logits.begin(), logits.end(), -1.0F);
      aim(got);
      engine.run(jobs_);
      for (size_t i = 0; i < jobs_.size(); ++i) {
        EXPECT_TRUE(same_bits(got[i], expected_[i])) << what << ": job " << i;
      }
    }
    for (const size_t i : {size_t{1}, size_t{6}, size_t{8}}) {
      EXPECT_EQ(engine.codes(jobs_[i], middle_), codes_[i]) << what << ": job " << i;
    }
  }

 private:
  void aim(std::vector<std::vector<float>>& logits) {
    for (size_t i = 0; i < jobs_.size(); ++i) jobs_[i].logits = logits[i];
  }

  RandomActivationFaults faults_;
  std::vector<int64_t> some_{12, 2, 2, 17, 18, 0};
  std::vector<int64_t> others_{18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
  std::vector<int64_t> single_{3};
  int64_t last_;  ///< Layer with weights.
  int64_t middle_;
  std::vector<Job> jobs_;
  std::vector<std::vector<float>> expected_;
  std::vector<std::vector<int16_t>> codes_;
};

}  // namespace flatenn::engine::testing
