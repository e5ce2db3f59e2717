#include <algorithm>
#include <map>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/interop/onnx.h"
#include "interop/fixed_point_text.h"
#include "interop/onnx_importer.h"
#include "interop/onnx_model.h"
#include "interop/reader_parts.h"

namespace flatenn::interop {
namespace {

bool is_ours(const onnx::ModelProto& model) { return model.producer_name() == "flatenn"; }

void read_metadata(const onnx::ModelProto& model, Network& network) {
  constexpr std::string_view kPrefix = "flatenn.";
  for (const onnx::StringStringEntryProto& entry : model.metadata_props()) {
    const std::string& key = entry.key();
    network.metadata[key.starts_with(kPrefix) ? key.substr(kPrefix.size()) : key] = entry.value();
  }
}

/// What the importer has used and the network's own fields say.
void drop_structural_metadata(Network& network) {
  network.metadata.erase("name");
  network.metadata.erase("image");
  network.metadata.erase("image_rounding");
  std::erase_if(network.metadata,
                [](const auto& entry) { return entry.first.starts_with("layer."); });
}

}  // namespace

std::filesystem::path model_file(const std::filesystem::path& given) {
  const bool folder = std::filesystem::is_directory(given);
  const std::filesystem::path path = folder ? given / "model.onnx" : given;
  FLATENN_CHECK(!folder || std::filesystem::exists(path), given.string(), ": holds no model.onnx");
  return path;
}

Network read_onnx(const std::filesystem::path& given, const ReadOptions& options,
                  std::vector<ImportedNode>* notes) {
  const std::filesystem::path path = model_file(given);
  return parse_onnx_network(path, read_file(path), options, notes);
}

Network parse_onnx_network(const std::filesystem::path& path, std::string bytes,
                           const ReadOptions& options, std::vector<ImportedNode>* notes) {
  try {
    const onnx::ModelProto model = parse_onnx(bytes);
    std::string().swap(bytes);
    if (const onnx::NodeProto* node = float_node(model.graph()); node != nullptr) {
      fail_at(*node,
              "computes in float, and nothing in the file is quantized: import it with "
              "--calibrate DATA to quantize it");
    }
    Network network;
    read_metadata(model, network);
    network.name =
        network.metadata.contains("name") ? network.metadata["name"] : model.graph().name();
    const std::filesystem::path beside = path.has_parent_path() ? path.parent_path() : ".";
    Importer importer(model.graph(), read_opset(model), beside, network, options, notes);
    if (is_ours(model)) importer.allow_negative_scales();
    importer.run();
    read_fixed_point(network);
    drop_structural_metadata(network);
    check_texts(network);
    network.validate();
    return network;
  } catch (const Error& error) {
    throw file_error(path, error);
  }
}

}  // namespace flatenn::interop
