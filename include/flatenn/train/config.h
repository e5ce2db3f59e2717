#pragma once

#include <cstdint>
#include <string>

#include "flatenn/base/config.h"
#include "flatenn/fault/encoding.h"
#include "flatenn/nn/model.h"
#include "flatenn/nn/sparsity.h"
#include "flatenn/train/optimizer.h"
#include "flatenn/train/order.h"
#include "flatenn/train/robustness.h"
#include "flatenn/train/sam.h"
#include "flatenn/train/schedule.h"

namespace flatenn::train {

struct DataOptions {
  std::string name = "fashion-mnist";  ///< "mnist", "fashion-mnist" or "cifar10".
  int64_t hold_out = 0;        ///< Training images set aside and evaluated on in place of the test
                               ///< split; 0: train on all, evaluate on the test split.
  uint64_t hold_out_seed = 0;  ///< Decides which; the same for every training seed.
  int64_t train_images = 0;    ///< The first n that are not held out; 0: all.
  int64_t test_images = 0;     ///< The first n of the evaluated images; 0: all.
  bool operator==(const DataOptions&) const = default;
};

struct SparsityOptions {
  nn::SparsityPenalty penalty = nn::SparsityPenalty::kNone;
  nn::SparsityWeighting weighting = nn::SparsityWeighting::kLayers;
  nn::SparsityGrouping grouping = nn::SparsityGrouping::kLayers;
  double strength = 1e-3;  ///< Factor of the penalty, or where the controller starts.
  double target = 0;       ///< Sparsity the controller steers to, in (0, 1); 0: constant strength.
  double gain = 1.0;       ///< Of the controller.
  int64_t update_every = 20;  ///< Steps between two moves of the controller.
};

/// Everything that decides a training, as read from a configuration file. docs/training.md tells
/// every key; configs/lenet5-fashion-mnist.toml is the example with all of them.
struct TrainConfig {
  std::string name;    ///< Free text; empty: the run folder's name.
  std::string recipe;  ///< What reports call this way of training; empty: "saq+randbet", as it is.
  uint64_t seed = 1;   ///< Initial weights, order and augmentation.
  DataOptions data;
  AugmentationOptions augment;
  nn::ModelOptions model;  ///< Input shape, classes and input scale come from the data set.
  OptimizerOptions optimizer;
  SharpnessOptions sharpness;
  double sharpness_from_epoch = 0;  ///< Plain steps of the base optimizer before it.
  int64_t sharpness_every = 1;      ///< Of the steps after it, each so manieth is sharpness-aware.
  double ascent_share = 1;  ///< Share of a batch on which the first of two passes runs, in (0, 1].
  /// Of several GPUs each climbs by the gradient of its own part of a batch (m-sharpness,
  /// arXiv:2010.01412, section 4.1) instead of the whole batch's.
  bool sharpness_per_device = false;
  RobustnessOptions robustness;
  Schedule schedule;
  SparsityOptions sparsity;
  int64_t epochs = 15;
  int64_t batch_size = 128;    ///< Images a step of the optimizer.
  int64_t accumulate = 1;      ///< Equal parts in which a batch's gradient is computed.
  double label_smoothing = 0;  ///< Share of a label that all classes get alike.
  double ema = 0;              ///< Decay a step of the averaged weights that are evaluated; 0: off.
  int64_t threads = 0;         ///< 0: all cores.
  std::string warm_start;      ///< Run folder whose weights the training starts from; empty: none.
  std::string warm_start_weights;   ///< Instead, a safetensors file of float weights.
  bool warm_start_partial = false;  ///< Tensors that the file lacks start at random.
  fault::Encoding encoding = fault::Encoding::kTwosComplement;  ///< Of the frozen network.

  /// Images on which the first pass of a sharpness-aware step runs: ascent_share of a batch in
  /// `accumulate` equal parts, at least one image each.
  int64_t ascent_images() const;
  bool sparse() const {
    return sparsity.penalty != nn::SparsityPenalty::kNone || model.fatrelu > 0;
  }
};

/// What the structure of a network is decided by.
enum class Structure {
  kConfigured,  ///< The configuration.
  kGiven,       ///< A network that is there already: keys that would change it are refused.
};

/// Reads every key and refuses unknown ones. Throws Error with file, line and key.
TrainConfig read_train_config(Config& config, Structure structure = Structure::kConfigured);

/// Optimizer steps of an epoch over `images` training images: full batches only.
/// Throws Error where there is none.
int64_t steps_per_epoch(const TrainConfig& config, int64_t images);

}  // namespace flatenn::train
