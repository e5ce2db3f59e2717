#include "flatenn/engine/check.h"

#include <gtest/gtest.h>

#include "engine/testing.h"

namespace flatenn::engine {
namespace {

/// The inner engine with some codes of one activation, or logits, wrong from some image on.
class WrongFrom final : public Engine {
 public:
  WrongFrom(Engine& inner, const net::Network& network, int64_t activation, int64_t image)
      : inner_(inner), network_(network), activation_(activation), image_(image) {}
  std::string name() const override { return "wrong"; }
  void run(std::span<Job> jobs) override {
    inner_.run(jobs);
    const bool logits = network_.activations[static_cast<size_t>(activation_)].is_float;
    for (Job& job : jobs) {
      for (size_t i = 0; logits && i < job.images.size(); ++i) {
        if (job.images[i] >= image_) {
          job.logits[i * static_cast<size_t>(network_.classes()) + 1] += 1;
        }
      }
    }
  }
  std::vector<int16_t> codes(const Job& job, int64_t activation) override {
    std::vector<int16_t> codes = inner_.codes(job, activation);
    const size_t size = codes.size() / job.images.size();
    for (size_t i = 0; activation == activation_ && i < job.images.size(); ++i) {
      if (job.images[i] >= image_) codes[i * size + 2] += 1;
    }
    return codes;
  }

 private:
  Engine& inner_;
  const net::Network& network_;
  int64_t activation_;
  int64_t image_;
};

class FirstDifference : public ::testing::Test {
 protected:
  static constexpr int64_t kImages = 40;  // two blocks

  std::shared_ptr<const net::Network> network_ =
      std::make_shared<net::Network>(net::testing::residual({}));
  std::shared_ptr<const ImageCodes> images_ = testing::random_images(*network_, kImages, 3);
  std::unique_ptr<Engine> reference_ =
      make_engine(network_, images_, {.kind = EngineKind::kReference});
  std::unique_ptr<Engine> right_ = make_engine(network_, images_, {.kind = EngineKind::kLanes});
};

TEST_F(FirstDifference, NamesTheFirstImageOfEachActivationThatDiffers) {
  for (const net::Layer& layer : network_->layers) {
    for (const int64_t image : {int64_t{31}, int64_t{32}}) {
      WrongFrom wrong(*right_, *network_, layer.dst, image);
      const auto found = first_difference(*reference_, wrong, *network_, *images_);
      ASSERT_TRUE(found.has_value()) << layer.name << ", image " << image;
      const net::Activation& dst = network_->activations[static_cast<size_t>(layer.dst)];
      EXPECT_EQ(found->layer, layer.name);
      EXPECT_EQ(found->image, image);
      EXPECT_EQ(found->element, dst.is_float ? 1 : 2);
      EXPECT_EQ(found->differing, kImages - image);
      EXPECT_NEAR(found->second - found->first, 1, 1e-3);
    }
  }
}

TEST_F(FirstDifference, TellsTheEarliestLayerWhicheverImageItIsIn) {
  const int64_t early = network_->layers.front().dst, late = network_->layers.back().dst;
  WrongFrom last_layer(*right_, *network_, late, 0);
  WrongFrom both(last_layer, *network_, early, kImages - 1);
  const auto found = first_difference(*reference_, both, *network_, *images_);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->layer, network_->layers.front().name);
  EXPECT_EQ(found->differing, 1);
}

TEST_F(FirstDifference, LooksAtEveryOtherEngineAndTheJobsOwnImages) {
  WrongFrom wrong(*right_, *network_, network_->layers.front().dst, 30);
  WrongFrom right(*right_, *network_, network_->layers.front().dst, kImages);
  const std::vector<Engine*> others{&right, &wrong};
  const std::vector<int64_t> some{35, 3, 31};
  int64_t seen = 0;
  const auto found = first_differences(*reference_, others, *network_, *images_, {.images = some},
                                       [&](int64_t done, int64_t images) {
                                         seen = done;
                                         EXPECT_EQ(images, 3);
                                       });
  EXPECT_EQ(seen, 3);
  EXPECT_FALSE(found[0].has_value());
  ASSERT_TRUE(found[1].has_value());
  EXPECT_EQ(found[1]->image, 35);
  EXPECT_EQ(found[1]->differing, 2);
}

}  // namespace
}  // namespace flatenn::engine
