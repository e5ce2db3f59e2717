#pragma once

#include <filesystem>

#include "flatenn/data/image_set.h"
#include "flatenn/nn/model.h"
#include "flatenn/train/config.h"
#include "flatenn/train/records.h"

namespace flatenn::train {

/// Freezes a trained network, measures it with the engine on `images` and writes it as ONNX with
/// its metadata. Fills accuracy, loss, sparsity, code rms and warnings.
RunResult freeze_run(const nn::ModelImpl& model, const TrainConfig& config,
                     const data::ImageSet& images, const std::filesystem::path& onnx);

}  // namespace flatenn::train
