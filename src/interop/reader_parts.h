#pragma once

#include <filesystem>

#include "flatenn/base/error.h"
#include "flatenn/interop/onnx.h"

namespace flatenn::interop {

/// Names go into JSON, result files and pages. Throws Error where one is not UTF-8 text.
void check_texts(const net::Network& network);

/// An error of a file in one line of readable length: names in it may take megabytes.
Error file_error(const std::filesystem::path& path, const Error& error);

}  // namespace flatenn::interop
