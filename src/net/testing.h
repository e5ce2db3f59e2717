#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flatenn/net/network.h"

/// Random networks for tests of every folder and for benchmarks without a model. Scales are chosen
/// so that codes use their range.
namespace flatenn::net::testing {

struct RandomOptions {
  uint64_t seed = 1;
  int weight_bits = 4;
  int activation_bits = 4;
  ValueMap value_map = ValueMap::kCode;  ///< kOdd: at most 7 weight bits.
  bool per_channel = true;               ///< Per-channel scales, some negative; else one a tensor.
};

/// Two conv + ReLU + max-pool blocks and three linear layers, as LeNet-5 (28x28) or shrunk.
Network lenet(const RandomOptions& options, int64_t extent = 28);
/// ResNet in CIFAR form: a stem, then residual blocks with identity skips and one down-sampling
/// block with a signed 8-bit skip, average pool, linear. `width` channels in the first stage.
Network residual(const RandomOptions& options, int64_t width = 8, int64_t extent = 12);
/// ResNet in CIFAR form at full size: 3 x 32 x 32 images, a stem of `widths[0]` channels, for each
/// width a stage of `blocks` residual blocks, all but the first halving the extent, average pool,
/// linear. resnet18: {64, 128, 256, 512} x 2; resnet20: {16, 32, 64} x 3.
Network cifar_resnet(const RandomOptions& options, const std::vector<int64_t>& widths,
                     int64_t blocks);
/// ResNet-20 (He et al., arXiv:1512.03385, section 4.2) for 32x32 images, with 1x1 convolutions on
/// the skips where the shape changes: 0.27 M weights.
Network resnet20(const RandomOptions& options);
/// ResNet-18 in CIFAR form (3x3 stem, no first pool) for 32x32 images: 11.2 M weights.
Network resnet18(const RandomOptions& options);
/// Grouped, depthwise, strided, padded, asymmetric and 1x1 convolutions on odd extents, an
/// overlapping padded max-pool, and channel counts that fill no SIMD register.
Network odd_shapes(const RandomOptions& options);
/// Two linear layers on a flattened image.
Network mlp(const RandomOptions& options);

/// A random graph of layers of every kind: zero points, signed codes in the middle, narrower
/// limits, uneven, dilated and grouped windows, sums, products, concatenations, tables, moves,
/// twins; every fourth one requantizes in fixed point.
Network any_network(uint64_t seed);

struct NamedNetwork {
  std::string name;  ///< Fit for the name of a test case.
  Network network;
};
/// All of the above over bits 2..8, both value maps and both kinds of scales.
std::vector<NamedNetwork> zoo();

/// `count` images of random codes over the input's whole range, [count, channels, height, width].
std::vector<int8_t> random_image_codes(const Network& network, int64_t count, uint64_t seed);

}  // namespace flatenn::net::testing
