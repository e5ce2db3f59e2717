#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "flatenn/base/error.h"
#include "flatenn/interop/onnx.h"

namespace flatenn::interop {

/// Names go into JSON, result files and pages. Throws Error where one is not UTF-8 text.
void check_texts(const net::Network& network);

/// An error of a file in one line of readable length: names in it may take megabytes.
Error file_error(const std::filesystem::path& path, const Error& error);

/// The network in a file's bytes; `path` stands in messages and leads to what lies beside it.
net::Network parse_onnx_network(const std::filesystem::path& path, std::string bytes,
                                const ReadOptions& options, std::vector<ImportedNode>* notes);
net::Network parse_tflite_network(const std::filesystem::path& path, const std::string& bytes,
                                  const ReadOptions& options, std::vector<ImportedNode>* notes);

/// The file that a user means by `given`: a folder's model.onnx.
std::filesystem::path model_file(const std::filesystem::path& given);

}  // namespace flatenn::interop
