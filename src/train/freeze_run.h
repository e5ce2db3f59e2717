#pragma once

#include <filesystem>
#include <memory>

#include "flatenn/data/image_set.h"
#include "flatenn/nn/model.h"
#include "flatenn/train/config.h"
#include "flatenn/train/records.h"

namespace flatenn::train {

/// What the engine measures of a frozen network on images.
struct FrozenFigures {
  double accuracy = 0;  ///< In [0, 1].
  double loss = 0;      ///< Mean cross-entropy.
  double sparsity = 0;  ///< See nn/sparsity.h.
  LayerNumbers layer_sparsity;
};
FrozenFigures measure_frozen(std::shared_ptr<const net::Network> network,
                             const data::ImageSet& images, int64_t threads);

/// Freezes a trained network, measures it with the engine on `images` and writes it as ONNX with
/// its metadata. Fills accuracy, loss, sparsity, code rms and warnings.
RunResult freeze_run(const nn::ModelImpl& model, const TrainConfig& config,
                     const data::ImageSet& images, const std::filesystem::path& onnx);

}  // namespace flatenn::train
