#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "flatenn/data/image_set.h"
#include "flatenn/engine/engine.h"
#include "flatenn/fault/encoding.h"
#include "flatenn/net/network.h"

namespace flatenn::cli {

/// The options of commands that run one model over one data set.
struct EvaluationOptions {
  std::string model;  ///< An ONNX file, or a run folder that holds model.onnx.
  std::string dataset;
  std::string data_root;
  std::string split = "test";
  std::string engine = "cpu";
  int64_t images = 0;
  int64_t threads = 0;

  /// Adds the positional MODEL and --data, --data-root, --split, --images, --threads.
  void declare_inputs(CLI::App& command);
  /// The same and --engine.
  void declare(CLI::App& command);
};

/// What those options name, read and ready to run.
struct EvaluationInputs {
  std::shared_ptr<const net::Network> network;
  data::ImageSet images;
  std::shared_ptr<const engine::ImageCodes> codes;
  std::unique_ptr<engine::Engine> engine;
};

/// The images are those of --data, else of the model's own data set; throws Error where neither is
/// known. Codes without a word in `encoding` are saturated, as a memory would store them.
EvaluationInputs open_inputs(const EvaluationOptions& options,
                             fault::Encoding encoding = fault::Encoding::kTwosComplement);
/// The images alone, for commands that bring an engine of their own.
data::ImageSet open_images(const EvaluationOptions& options, const net::Network& network);

}  // namespace flatenn::cli
