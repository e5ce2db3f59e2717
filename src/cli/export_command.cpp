#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "flatenn/base/error.h"
#include "flatenn/interop/model.h"
#include "flatenn/interop/network_weights.h"
#include "flatenn/interop/onnx.h"
#include "flatenn/net/content_hash.h"

/// flatenn export: a frozen network for other tools.
namespace flatenn::cli {
namespace {

using interop::OnnxForm;

constexpr const char* kSafetensors = "safetensors";
const std::map<std::string, OnnxForm> kForms = {
    {"qdq", OnnxForm::kQdq}, {"qdq-int4", OnnxForm::kQdqInt4}, {"qonnx", OnnxForm::kQonnx}};

struct ExportOptions {
  std::string model;
  std::string output;
  std::string form = "qdq";
  std::string weights;
  bool json = false;
};

/// Content of what was written, read again.
std::string content_of(const net::Network& network, const ExportOptions& options) {
  if (options.form != kSafetensors) return net::content_hash(interop::read_onnx(options.output));
  net::Network copy = network;
  interop::read_weights(copy, options.output);
  return net::content_hash(copy);
}

void print_json(const net::Network& network, const std::string& hash, const std::string& read_back,
                const ExportOptions& options) {
  const nlohmann::json object{{"model", options.model},
                              {"output", options.output},
                              {"form", options.form},
                              {"name", network.name},
                              {"layers", network.layers.size()},
                              {"weight_bits", net::weight_bits(network)},
                              {"content_hash", hash},
                              {"read_back_hash", read_back},
                              {"kept", hash == read_back}};
  std::printf("%s\n", object.dump(2).c_str());
}

void run(const ExportOptions& options) {
  FLATENN_CHECK(options.model != options.output && options.weights != options.output,
                "export: the output is an input, ", options.output);
  net::Network network = interop::read_model(options.model);
  if (!options.weights.empty()) interop::read_weights(network, options.weights);
  if (options.form == kSafetensors) {
    interop::write_weights(network, options.output);
  } else {
    interop::write_onnx(network, options.output, kForms.at(options.form));
  }
  const std::string hash = net::content_hash(network);
  const std::string read_back = content_of(network, options);
  if (options.json) return print_json(network, hash, read_back, options);
  std::printf("%s: %s, %zu layers, %ld weight bits\ncontent %s%s\n", options.output.c_str(),
              options.form.c_str(), network.layers.size(), net::weight_bits(network), hash.c_str(),
              hash == read_back ? ", the same when read again"
                                : "; read again, biases beyond 2^24 are rounded to float32");
}

}  // namespace

void add_export_command(CLI::App& app, const GlobalOptions&) {
  auto options = std::make_shared<ExportOptions>();
  CLI::App* command = app.add_subcommand(
      "export", "Write a frozen network for other tools (ONNX Runtime, FINN, hls4ml, Python)");
  command->add_option("model", options->model, "ONNX file or run folder")
      ->required()
      ->type_name("MODEL");
  command->add_option("-o,--output", options->output, "File to write")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--form", options->form,
                   "qdq: QuantizeLinear and DequantizeLinear, for any runtime; qdq-int4: with "
                   "4-bit types (opset 21); qonnx: Quant nodes, for FINN and hls4ml; safetensors: "
                   "codes, scales and biases alone")
      ->check(CLI::IsMember({"qdq", "qdq-int4", "qonnx", kSafetensors}))
      ->capture_default_str();
  command
      ->add_option("--weights", options->weights,
                   "Numbers to put in place of the model's first (a file of --form safetensors)")
      ->type_name("FILE");
  command->add_flag("--json", options->json, "What was written, as JSON");
  command->callback([options] { run(*options); });
}

}  // namespace flatenn::cli
