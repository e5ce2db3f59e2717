#include "engine/lanes/lanes_engine.h"

#include <gtest/gtest.h>

#include <cstring>

#include "engine/reference.h"
#include "engine/testing.h"
#include "flatenn/base/error.h"
#include "flatenn/engine/check.h"

namespace flatenn::engine {
namespace {

constexpr Isa kIsas[] = {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512Vnni};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// One network of the zoo; every instruction set this machine has is compared with one reference.
class LanesEngineEqualsReference : public ::testing::TestWithParam<net::testing::NamedNetwork> {
 protected:
  static constexpr int64_t kImages = 19;

  LanesEngineEqualsReference()
      : network_(std::make_shared<net::Network>(GetParam().network)),
        images_(testing::random_images(*network_, kImages, 5)),
        reference_(network_, images_, 1) {}

  std::unique_ptr<Engine> make(Isa isa, int64_t threads, int64_t lane_groups,
                               int64_t trials) const {
    return make_lanes_engine(
        network_, images_,
        {.threads = threads, .isa = isa, .lane_groups = lane_groups, .trials_a_chunk = trials});
  }

  static std::vector<Isa> isas() {
    std::vector<Isa> result;
    for (const Isa isa : kIsas) {
      if (isa_supported(isa)) result.push_back(isa);
    }
    return result;
  }

  std::shared_ptr<net::Network> network_;
  std::shared_ptr<const ImageCodes> images_;
  ReferenceEngine reference_;
};

TEST_P(LanesEngineEqualsReference, LayerByLayer) {
  const auto zeros = reference_.count_zeros({});
  for (const Isa isa : isas()) {
    const auto engine = make(isa, 1, 1, 1);
    ASSERT_EQ(engine->name(), std::string("lanes/") + isa_name(isa));
    const auto difference = first_difference(reference_, *engine, *network_, *images_);
    EXPECT_FALSE(difference) << isa_name(isa) << ": " << difference->describe();
    EXPECT_EQ(engine->count_zeros({}), zeros) << isa_name(isa);
  }
}

/// Jobs of every kind, with the reference's logits and one activation of each.
class JobsOfEveryKind {
 public:
  JobsOfEveryKind(const net::Network& network, int64_t images, Engine& reference)
      : faults_(network, 0.02, 9),
        last_(static_cast<int64_t>(network.layers.size()) - 1),
        middle_(network.layers[static_cast<size_t>(last_ / 2)].dst) {
    const auto changes = [&](double share, uint64_t seed, int64_t first_layer = 0) {
      return testing::random_changes(network, share, seed, first_layer);
    };
    const BiasChange bias{.layer = static_cast<int32_t>(last_), .channel = 1, .value = -12345};
    jobs_ = {{},
             {.weights = changes(0.1, 1)},
             {.weights = changes(0.02, 2, last_ / 2)},
             {.weights = changes(1.0, 3)},
             {.weights = changes(0.3, 4, last_), .biases = {bias}},
             {.activations = &faults_},
             {.weights = changes(0.05, 6), .activations = &faults_},
             {.weights = changes(0.05, 7), .images = some_},
             {.activations = &faults_, .images = some_}};
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

  testing::RandomActivationFaults faults_;
  std::vector<int64_t> some_{12, 2, 2, 17, 18, 0};
  int64_t last_;
  int64_t middle_;
  std::vector<Job> jobs_;
  std::vector<std::vector<float>> expected_;
  std::vector<std::vector<int16_t>> codes_;
};

TEST_P(LanesEngineEqualsReference, UnderFaultsAtAnyBatchAndThreadCount) {
  JobsOfEveryKind jobs(*network_, kImages, reference_);
  for (const Isa isa : isas()) {
    jobs.expect_equal(*make(isa, 1, 1, 1), std::string(isa_name(isa)) + " alone");
    jobs.expect_equal(*make(isa, 3, 2, 4), std::string(isa_name(isa)) + " together");
  }
}

INSTANTIATE_TEST_SUITE_P(Zoo, LanesEngineEqualsReference, ::testing::ValuesIn(net::testing::zoo()),
                         [](const auto& one) { return one.param.name; });

class FailingFaults final : public fault::ActivationFaults {
 public:
  bool touches(int64_t) const override { return true; }
  void masks(int64_t, int64_t image, std::vector<fault::CodeMask>& masks) const override {
    masks.clear();
    if (image == 3) throw Error("no masks for image 3");
  }
};

TEST(LanesEngine, TakesChangesBackWhereAPassThrows) {
  const auto network = std::make_shared<net::Network>(net::testing::mlp({}));
  const auto images = testing::random_images(*network, 8, 1);
  const auto engine = make_lanes_engine(network, images, {.threads = 2});
  const std::vector<float> golden = golden_logits(*engine, *network, *images);
  const FailingFaults faults;
  std::vector<float> logits(golden.size());
  Job job{.weights = testing::random_changes(*network, 0.5, 1), .activations = &faults};
  job.logits = logits;
  EXPECT_THROW(engine->run({&job, 1}), Error);
  EXPECT_THROW(engine->codes(job, 1), Error);
  EXPECT_TRUE(same_bits(golden_logits(*engine, *network, *images), golden));
}

TEST(BestIsa, ObeysTheEnvironmentAndRefusesUnknownNames) {
  const char* before = std::getenv("FLATENN_MAX_ISA");
  const std::string saved = before == nullptr ? "" : before;
  for (const Isa isa : kIsas) {
    ASSERT_EQ(::setenv("FLATENN_MAX_ISA", isa_name(isa), 1), 0);
    EXPECT_LE(best_isa(), isa);
    if (isa_supported(isa)) {
      EXPECT_EQ(best_isa(), isa);
    }
    const auto network = std::make_shared<net::Network>(net::testing::mlp({}));
    const auto engine = make_lanes_engine(network, testing::random_images(*network, 1, 1), {});
    EXPECT_EQ(engine->name(), std::string("lanes/") + isa_name(best_isa()));
  }
  ::setenv("FLATENN_MAX_ISA", "avx1024", 1);
  EXPECT_THROW(best_isa(), Error);
  ::setenv("FLATENN_MAX_ISA", saved.c_str(), 1);
}

}  // namespace
}  // namespace flatenn::engine
