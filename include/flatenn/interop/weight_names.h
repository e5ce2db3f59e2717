#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "flatenn/interop/safetensors.h"
#include "flatenn/net/network.h"

/// Float weights of other libraries under the names of flatenn's networks.
namespace flatenn::interop {

/// A layer of a network to train that has weights: "<name>.weight" [out, in, k, k] or [out, in],
/// "<name>.bias" [out] and, with batch norm, "<name>.gamma", ".beta", ".running_mean" and
/// ".running_var" [out].
struct NamedLayer {
  std::string name;  ///< "conv1", "stage2_0_down", "fc": as `flatenn inspect` prints them.
  std::vector<int64_t> weight_shape;
  bool bias = false;
  bool batch_norm = false;
  net::Shape reads;  ///< Activation that it reads, before a linear layer flattens it.
};

/// Where one of our tensors comes from.
struct WeightSource {
  std::string ours;
  std::string theirs;
  /// Keras: convolutions as [k, k, in, out], linear layers as [in, out], planes flattened with
  /// channels last.
  bool channels_last = false;
  /// Of running means: a bias in front of batch norm, which has no place of its own here and is
  /// subtracted. Empty: none.
  std::string bias;
};

struct WeightNames {
  std::string style;  ///< "flatenn", "torchvision", "keras" or "by order".
  std::vector<WeightSource> sources;
  std::vector<std::string> missing;    ///< Of ours.
  std::vector<std::string> left_over;  ///< Of theirs; counters of batches are none.
};

/// Finds for each tensor of `layers` (in the order in which they compute) the one of `file` that
/// holds it. Known are our own names, those of torchvision, timm and common CIFAR networks
/// ("layer1.0.conv2.weight", "downsample.0", "shortcut.0", "linear"), behind a prefix as "module.",
/// and Keras's ("conv2_block1_1_conv/kernel:0", "dense/bias"). Files without any known name are
/// taken by order, as nn.Sequential ("0.weight") and Keras ("conv2d_3/kernel") number them:
/// convolutions and linear layers each in the order of their numbers, a block's projection behind
/// its convolutions.
WeightNames match_weight_names(const std::vector<NamedLayer>& layers, const TensorFile& file);

struct FloatTensor {
  std::vector<int64_t> shape;
  std::vector<float> values = {};  ///< Row-major.
};

/// "conv1.weight <- conv2d/kernel (channels last)".
std::string to_text(const WeightSource& source);

/// The tensors that `names` found, in our layout. Throws Error naming both tensors where a shape
/// differs, and the tensor where it holds integers or a number that is not finite. With `refused`
/// such tensors are left out, and what is wrong with them is added there.
std::map<std::string, FloatTensor> take_weights(const std::vector<NamedLayer>& layers,
                                                const TensorFile& file, const WeightNames& names,
                                                std::vector<std::string>* refused = nullptr);

}  // namespace flatenn::interop
