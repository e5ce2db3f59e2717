#pragma once

#include <CLI/CLI.hpp>

#include "flatenn/interop/onnx.h"

namespace flatenn::cli {

/// Adds --pixels: what a network of a file takes for a pixel.
CLI::Option* add_pixels_option(CLI::App& command, interop::Pixels& pixels);

}  // namespace flatenn::cli
