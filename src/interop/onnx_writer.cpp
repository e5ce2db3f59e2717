#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <string>

#include "base/atomic_file.h"
#include "flatenn/base/error.h"
#include "flatenn/base/version.h"
#include "flatenn/interop/onnx.h"
#include "interop/fixed_point_text.h"
#include "interop/onnx_write_network.h"
#include "interop/onnx_write_qdq.h"
#include "interop/onnx_write_qonnx.h"

namespace flatenn::interop {
namespace {

/// The IR version that came with an opset.
int64_t ir_version(int64_t opset) {
  if (opset >= 21) return 10;
  return opset >= 19 ? 9 : 7;
}

void add_property(onnx::ModelProto& model, const std::string& key, const std::string& value) {
  onnx::StringStringEntryProto& entry = *model.add_metadata_props();
  entry.set_key("flatenn." + key);
  entry.set_value(value);
}

void write_metadata(const Network& network, onnx::ModelProto& model) {
  add_property(model, "name", network.name);
  if (!network.metadata.contains("version")) add_property(model, "version", version());
  for (const auto& [key, value] : network.metadata) add_property(model, key, value);
  if (network.image.raw_pixels) add_property(model, "image", "pixels");
  if (network.image.half_away) add_property(model, "image_rounding", "half-away");
  for (const Layer& layer : network.layers) {
    const std::string factors = fixed_point_text(layer);
    if (!factors.empty()) add_property(model, "layer." + layer.name + ".fixed_point", factors);
    if (!layer.multiplies() || layer.twin >= 0) continue;
    add_property(model, "layer." + layer.name + ".weight_bits", std::to_string(layer.weights.bits));
    add_property(model, "layer." + layer.name + ".value_map",
                 layer.weights.value_map == ValueMap::kOdd ? "odd" : "code");
  }
}

std::unique_ptr<CodeForm> make_form(OnnxForm form, const Network& network, GraphBuilder& graph) {
  if (form == OnnxForm::kQonnx) return std::make_unique<QonnxForm>(graph);
  return std::make_unique<QdqForm>(graph, network, /*int4=*/form == OnnxForm::kQdqInt4);
}

void add_opset(onnx::ModelProto& model, const std::string& domain, int64_t version) {
  onnx::OperatorSetIdProto& opset = *model.add_opset_import();
  opset.set_domain(domain);
  opset.set_version(version);
}

/// Hands what protobuf writes to a file, and keeps what that throws: protobuf's frames are none to
/// unwind.
class FileStream : public google::protobuf::io::CopyingOutputStream {
 public:
  explicit FileStream(AtomicFile& file) : file_(file) {}
  bool Write(const void* data, int size) override {
    try {
      file_.write({static_cast<const char*>(data), static_cast<size_t>(size)});
    } catch (...) {
      failure_ = std::current_exception();
    }
    return failure_ == nullptr;
  }
  void rethrow() const {
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }

 private:
  AtomicFile& file_;
  std::exception_ptr failure_;
};

/// Part by part: a whole network stands in memory often enough.
void write_model(const onnx::ModelProto& model, const std::filesystem::path& path) {
  const size_t size = model.ByteSizeLong();
  FLATENN_CHECK(size <= INT32_MAX, path.string(), ": the network takes ", size,
                " bytes, more than an ONNX file may hold (2 GiB)");
  AtomicFile file(path);
  FileStream sink(file);
  bool written = false;
  {
    google::protobuf::io::CopyingOutputStreamAdaptor stream(&sink, 1 << 20);
    written = model.SerializeToZeroCopyStream(&stream) && stream.Flush();
  }
  sink.rethrow();
  FLATENN_CHECK(written, path.string(), ": the network cannot be written as ONNX");
  file.publish();
}

}  // namespace

void write_onnx(const Network& network, const std::filesystem::path& path, OnnxForm form) {
  network.validate();
  onnx::ModelProto model;
  model.set_producer_name("flatenn");
  model.set_producer_version(version());
  write_metadata(network, model);
  model.mutable_graph()->set_name(network.name.empty() ? "network" : network.name);
  GraphBuilder graph(*model.mutable_graph(), network);
  const std::unique_ptr<CodeForm> codes = make_form(form, network, graph);
  NetworkWriter writer(network, graph, *codes);
  writer.write();
  const int64_t opset = std::max(codes->opset(), writer.opset());
  model.set_ir_version(ir_version(opset));
  add_opset(model, "", opset);
  if (form == OnnxForm::kQonnx) add_opset(model, kQonnxDomain, 1);
  write_model(model, path);
}

}  // namespace flatenn::interop
