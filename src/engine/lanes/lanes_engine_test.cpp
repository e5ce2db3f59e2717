#include "engine/lanes/lanes_engine.h"

#include <gtest/gtest.h>

#include "engine/job_zoo.h"
#include "engine/reference.h"
#include "engine/testing.h"
#include "flatenn/base/error.h"
#include "flatenn/engine/check.h"

namespace flatenn::engine {
namespace {

constexpr Isa kIsas[] = {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512Vnni, Isa::kAmx};

/// One network of the zoo; every instruction set this machine has is compared with one reference.
class LanesEngineEqualsReference : public ::testing::TestWithParam<net::testing::NamedNetwork> {
 protected:
  static constexpr int64_t kImages = 19;
  static constexpr int64_t kNever = 1 << 20;  ///< Channels: no Winograd filtering.

  LanesEngineEqualsReference()
      : network_(std::make_shared<net::Network>(GetParam().network)),
        images_(testing::random_images(*network_, kImages, 5)),
        reference_(network_, images_, 1) {}

  /// Convolutions by tiles from four channels on.
  std::unique_ptr<Engine> make_tiled(int64_t threads, int64_t lane_groups, int64_t trials) const {
    return make_lanes_engine(network_, images_,
                             {.threads = threads,
                              .lane_groups = lane_groups,
                              .tile_channels = 4,
                              .emulate_tiles = true,
                              .trials_a_chunk = trials});
  }

  std::unique_ptr<Engine> make(Isa isa, int64_t threads, int64_t lane_groups, int64_t trials,
                               int64_t winograd_channels = 4) const {
    return make_lanes_engine(network_, images_,
                             {.threads = threads,
                              .isa = isa,
                              .lane_groups = lane_groups,
                              .winograd_channels = winograd_channels,
                              .trials_a_chunk = trials});
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

TEST_P(LanesEngineEqualsReference, UnderFaultsAtAnyBatchAndThreadCount) {
  testing::JobsOfEveryKind jobs(*network_, kImages, reference_);
  for (const Isa isa : isas()) {
    jobs.expect_equal(*make(isa, 1, 1, 1), std::string(isa_name(isa)) + " alone");
    jobs.expect_equal(*make(isa, 3, 2, 4), std::string(isa_name(isa)) + " together");
    jobs.expect_equal(*make(isa, 2, 1, 16, kNever), std::string(isa_name(isa)) + " direct");
  }
}

/// AMX's own registers where this machine has them, else emulated ones.
TEST_P(LanesEngineEqualsReference, ByTiles) {
  const auto engine = make_tiled(1, 1, 1);
  const auto difference = first_difference(reference_, *engine, *network_, *images_);
  EXPECT_FALSE(difference) << difference->describe();
  testing::JobsOfEveryKind jobs(*network_, kImages, reference_);
  jobs.expect_equal(*engine, "tiles alone");
  jobs.expect_equal(*make_tiled(3, 2, 4), "tiles together");
}

INSTANTIATE_TEST_SUITE_P(Zoo, LanesEngineEqualsReference, ::testing::ValuesIn(net::testing::zoo()),
                         [](const auto& one) { return one.param.name; });
INSTANTIATE_TEST_SUITE_P(UnsignedImages, LanesEngineEqualsReference,
                         ::testing::ValuesIn(testing::zoo_of_unsigned_images()),
                         [](const auto& one) { return one.param.name; });

/// Channels by blocks of 64, several of them, and bands of fewer outputs than a layer has.
TEST(LanesEngine, WideLayersByTilesEqualTheReference) {
  const auto network =
      std::make_shared<net::Network>(net::testing::residual({}, /*width=*/128, /*extent=*/6));
  const auto images = testing::random_images(*network, 2, 5);
  const auto engine = make_lanes_engine(network, images, {.threads = 1, .emulate_tiles = true});
  ReferenceEngine reference(network, images, 1);
  const auto difference = first_difference(reference, *engine, *network, *images);
  EXPECT_FALSE(difference) << difference->describe();
  std::vector<float> logits(static_cast<size_t>(2 * network->classes()));
  std::vector<float> expected(logits.size());
  Job job{.weights = testing::random_changes(*network, 0.01, 1), .logits = logits};
  engine->run({&job, 1});
  job.logits = expected;
  reference.run({&job, 1});
  EXPECT_TRUE(testing::same_bits(logits, expected));
}

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
  EXPECT_TRUE(testing::same_bits(golden_logits(*engine, *network, *images), golden));
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
