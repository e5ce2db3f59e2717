#pragma once

#include <filesystem>
#include <vector>

#include "flatenn/interop/onnx.h"

namespace flatenn::interop {

/// Reads a frozen network from a TensorFlow Lite file with int8 or uint8 activations. Layers keep
/// the fixed-point arithmetic of the interpreter's reference kernels, so that codes are theirs.
/// `notes`, where given, takes what each operator became. Throws Error naming the file, and the
/// operator where something cannot be kept.
net::Network read_tflite(const std::filesystem::path& path, const ReadOptions& options = {},
                         std::vector<ImportedNode>* notes = nullptr);

/// Reads a model of any kind that there is a reader for, told apart by its content: read_tflite
/// where the file says that it is one, else read_onnx (also for run folders).
net::Network read_model(const std::filesystem::path& path, const ReadOptions& options = {},
                        std::vector<ImportedNode>* notes = nullptr);

}  // namespace flatenn::interop
