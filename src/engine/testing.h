#pragma once

#include "flatenn/base/random.h"
#include "flatenn/engine/engine.h"
#include "net/testing.h"

/// What tests of several folders need to drive an engine.
namespace flatenn::engine::testing {

inline std::shared_ptr<const ImageCodes> random_images(const net::Network& network, int64_t count,
                                                       uint64_t seed) {
  auto images = std::make_shared<ImageCodes>();
  images->shape = network.input().shape;
  images->count = count;
  images->codes = net::testing::random_image_codes(network, count, seed);
  return images;
}

/// The zoo, reading images of unsigned codes, as quantizers make them of pixels.
inline std::vector<net::testing::NamedNetwork> zoo_of_unsigned_images() {
  std::vector<net::testing::NamedNetwork> result;
  for (net::testing::NamedNetwork one : net::testing::zoo()) {
    one.network.activations[0].is_signed = false;
    if (one.network.has_plain_layers()) result.push_back(std::move(one));
  }
  return result;
}

/// Distinct weights of layers from `first_layer` on, each replaced by a random code with
/// probability `share`.
inline std::vector<WeightChange> random_changes(const net::Network& network, double share,
                                                uint64_t seed, int64_t first_layer = 0) {
  RandomStream random(seed, 2, RandomPurpose::kWeightFault);
  std::vector<WeightChange> changes;
  for (const net::WeightTensor& tensor : net::weight_memory(network)) {
    if (tensor.layer < first_layer) continue;
    const auto range = uint64_t{1} << tensor.bits;
    for (int64_t element = 0; element < tensor.elements; ++element) {
      if (random.uniform() >= share) continue;
      const int code = static_cast<int>(random.below(range)) - static_cast<int>(range / 2);
      changes.push_back({.layer = static_cast<int32_t>(tensor.layer),
                         .element = element,
                         .code = static_cast<int8_t>(code)});
    }
  }
  return changes;
}

/// Flips, sets and clears in every activation, a function of (activation, image) alone.
class RandomActivationFaults final : public fault::ActivationFaults {
 public:
  RandomActivationFaults(const net::Network& network, double share, uint64_t seed)
      : network_(network), share_(share), seed_(seed) {}

  bool touches(int64_t activation) const override {
    return !network_.activations[static_cast<size_t>(activation)].is_float;
  }
  void masks(int64_t activation, int64_t image,
             std::vector<fault::CodeMask>& masks) const override {
    RandomStream random(seed_, static_cast<uint64_t>(image), RandomPurpose::kActivationFault,
                        static_cast<uint64_t>(activation));
    masks.clear();
    const net::Activation& a = network_.activations[static_cast<size_t>(activation)];
    const auto word = [&] { return static_cast<uint8_t>(random.below(uint64_t{1} << a.bits)); };
    for (int64_t element = 0; element < a.shape.elements(); ++element) {
      if (random.uniform() >= share_) continue;
      const uint64_t kind = random.below(3);
      masks.push_back({.element = element,
                       .flip = kind == 0 ? word() : uint8_t{0},
                       .set = kind == 1 ? word() : uint8_t{0},
                       .clear = kind == 2 ? word() : uint8_t{0}});
    }
  }

 private:
  const net::Network& network_;
  double share_;
  uint64_t seed_;
};

}  // namespace flatenn::engine::testing
