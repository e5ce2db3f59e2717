#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/temporary_folder.h"
#include "flatenn/data/image_set.h"

/// What the tests of this folder share.
namespace flatenn::train::testing {

/// A training on easy images that uses everything which keeps state between steps; its [model] is
/// left to the test.
inline constexpr const char* kEveryState = R"(
seed = 5
[data]
name = "mnist"
[augment]
crop = 1
flip = true
[quant]
first_last_bits = 0
[optimizer]
kind = "saq"
learning_rate = 0.05
weight_decay = 1e-4
[sharpness]
rho = 0.05
from_epoch = 0.5
[schedule]
warmup_epochs = 1
[sparsity]
penalty = "l1"
target = 0.6
update_every = 3
[train]
epochs = 3
batch_size = 40
accumulate = 2
ema = 0.9
threads = 1
)";

/// 28x28 images of ten classes that a network can learn: a bright square whose place is the class's
/// on dim noise. A function of (seed, count).
data::ImageSet easy_images(int64_t count, uint64_t seed);

/// Writes easy images as an MNIST data set below `root`: its train and test files, raw IDX.
void write_easy_mnist(const std::filesystem::path& root, int64_t train, int64_t test);

/// The message of the Error that `action` throws; "" where it throws none.
std::string error_of(const std::function<void()>& action);

}  // namespace flatenn::train::testing
