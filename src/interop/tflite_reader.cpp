#include <fstream>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/interop/model.h"
#include "interop/reader_parts.h"
#include "interop/tflite_importer.h"

namespace flatenn::interop {

Network read_tflite(const std::filesystem::path& path, const ReadOptions& options,
                    std::vector<ImportedNode>* notes) {
  const std::string bytes = read_file(path);
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

Network read_model(const std::filesystem::path& path, const ReadOptions& options,
                   std::vector<ImportedNode>* notes) {
  std::string head(8, '\0');
  std::ifstream(path, std::ios::binary).read(head.data(), std::ssize(head));
  return is_tflite(head) ? read_tflite(path, options, notes) : read_onnx(path, options, notes);
}

}  // namespace flatenn::interop
