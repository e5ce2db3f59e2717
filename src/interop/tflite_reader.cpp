#include <utility>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/interop/model.h"
#include "interop/reader_parts.h"
#include "interop/tflite_importer.h"

namespace flatenn::interop {

Network read_tflite(const std::filesystem::path& path, const ReadOptions& options,
                    std::vector<ImportedNode>* notes) {
  return parse_tflite_network(path, read_file(path), options, notes);
}

Network parse_tflite_network(const std::filesystem::path& path, const std::string& bytes,
                             const ReadOptions& options, std::vector<ImportedNode>* notes) {
  try {
    const TfliteGraph graph = read_tflite_graph(bytes);
    Network network;
    network.name = graph.name.empty() ? path.stem().string() : graph.name;
    TfliteImporter(graph, network, options, notes).run();
    check_texts(network);
    network.validate();
    return network;
  } catch (const Error& error) {
    throw file_error(path, error);
  }
}

Network read_model(const std::filesystem::path& given, const ReadOptions& options,
                   std::vector<ImportedNode>* notes) {
  const std::filesystem::path path = model_file(given);
  std::string bytes = read_file(path);  // once: a pipe has no second time
  return is_tflite(bytes) ? parse_tflite_network(path, bytes, options, notes)
                          : parse_onnx_network(path, std::move(bytes), options, notes);
}

}  // namespace flatenn::interop
