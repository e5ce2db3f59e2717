#include "interop/tflite_file.h"

#include <array>
#include <cmath>
#include <cstring>

#include "flatenn/base/error.h"

namespace flatenn::interop {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 31;
// Far above real files; they bound what a hostile one makes the verifier walk.
constexpr flatbuffers::uoffset_t kMostTables = 1 << 20;
constexpr flatbuffers::uoffset_t kDeepest = 16;

constexpr std::array kOperators = {
#include "interop/tflite_operators.inc"
};

/// Bytes of an element; 0 for types that no constant here may have.
int64_t element_size(tflite::TensorType type) {
  switch (type) {
    case tflite::TensorType_INT8:
    case tflite::TensorType_UINT8:
      return 1;
    case tflite::TensorType_INT32:
    case tflite::TensorType_FLOAT32:
      return 4;
    case tflite::TensorType_INT64:
      return 8;
    default:
      return 0;
  }
}

const tflite::Model& verified(const std::string& bytes) {
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
                                 kDeepest, kMostTables);
  FLATENN_CHECK(is_tflite(bytes) && tflite::VerifyModelBuffer(verifier),
                "is not a TensorFlow Lite model, or only a part of one");
  const tflite::Model& model = *tflite::GetModel(bytes.data());
  FLATENN_CHECK(model.version() == 3, "has version ", model.version(),
                " of the TensorFlow Lite format, expected 3");
  FLATENN_CHECK(model.subgraphs() != nullptr && model.subgraphs()->size() == 1, "has ",
                model.subgraphs() == nullptr ? 0 : model.subgraphs()->size(),
                " subgraphs, expected 1");
  FLATENN_CHECK(model.buffers() != nullptr && model.operator_codes() != nullptr,
                "holds no buffers or no operators");
  return model;
}

std::string text(const flatbuffers::String* value) { return value == nullptr ? "" : value->str(); }

class GraphReader {
 public:
  explicit GraphReader(const tflite::Model& model)
      : model_(model), graph_(*model.subgraphs()->Get(0)) {}

  TfliteGraph read() {
    FLATENN_CHECK(graph_.tensors() != nullptr && graph_.operators() != nullptr &&
                      graph_.operators()->size() > 0,
                  "holds no tensors or no operators");
    result_.name = text(graph_.name());
    for (uint32_t i = 0; i < graph_.tensors()->size(); ++i) read_tensor(*graph_.tensors()->Get(i));
    result_.inputs = indices(graph_.inputs(), "the graph's inputs");
    result_.outputs = indices(graph_.outputs(), "the graph's outputs");
    for (const tflite::Operator* op : *graph_.operators()) read_operator(*op);
    return std::move(result_);
  }

 private:
  void read_tensor(const tflite::Tensor& from) {
    TfliteTensor tensor;
    tensor.name = text(from.name());
    if (tensor.name.empty()) tensor.name = "tensor_" + std::to_string(result_.tensors.size());
    tensor.type = from.type();
    read_extents(from, tensor);
    FLATENN_CHECK(from.sparsity() == nullptr, "tensor ", tensor.name,
                  ": sparse tensors are not supported");
    FLATENN_CHECK(!from.is_variable(), "tensor ", tensor.name,
                  ": variables (state between images) are not supported");
    if (from.quantization() != nullptr) read_quantization(*from.quantization(), tensor);
    read_data(from, tensor);
    result_.tensors.push_back(std::move(tensor));
  }

  static void read_extents(const tflite::Tensor& from, TfliteTensor& tensor) {
    if (from.shape() == nullptr) return;
    int64_t elements = 1;
    for (const int32_t extent : *from.shape()) {
      // Constants may be long lists.
      FLATENN_CHECK(extent >= 0 && extent < kMaxElements, "tensor ", tensor.name, ": extent ",
                    extent, " is negative");
      elements *= extent;
      FLATENN_CHECK(elements < kMaxElements, "tensor ", tensor.name,
                    ": has more than 2^31 elements");
      tensor.dims.push_back(extent);
    }
    const auto* said = from.shape_signature();
    if (said == nullptr || said->size() == 0) return;
    FLATENN_CHECK(said->size() == from.shape()->size(), "tensor ", tensor.name, ": has ",
                  from.shape()->size(), " extents and a signature of ", said->size());
    for (uint32_t i = 1; i < said->size(); ++i) {
      FLATENN_CHECK(said->Get(i) == from.shape()->Get(i), "tensor ", tensor.name,
                    ": only the batch may be dynamic, not extent ", i);
    }
  }

  static void read_quantization(const tflite::QuantizationParameters& from, TfliteTensor& tensor) {
    const uint32_t scales = from.scale() == nullptr ? 0 : from.scale()->size();
    const uint32_t zeros = from.zero_point() == nullptr ? 0 : from.zero_point()->size();
    if (scales == 0) return;
    FLATENN_CHECK(from.details_type() == 0, "tensor ", tensor.name,
                  ": custom or blockwise quantization is not supported");
    FLATENN_CHECK(zeros == 0 || zeros == scales, "tensor ", tensor.name, ": has ", scales,
                  " scales and ", zeros, " zero points");
    tensor.zero_points.assign(scales, 0);
    for (uint32_t i = 0; i < scales; ++i) {
      const float scale = from.scale()->Get(i);
      FLATENN_CHECK(std::isfinite(scale) && scale > 0, "tensor ", tensor.name, ": scale ", scale,
                    " is not a positive number");
      tensor.scales.push_back(scale);
      if (zeros == 0) continue;
      const int64_t zero = from.zero_point()->Get(i);
      const bool fits = tensor.type == tflite::TensorType_UINT8  ? zero >= 0 && zero <= 255
                        : tensor.type == tflite::TensorType_INT8 ? zero >= -128 && zero <= 127
                                                                 : zero == 0;
      FLATENN_CHECK(fits || !(tensor.is_codes() || tensor.type == tflite::TensorType_INT32),
                    "tensor ", tensor.name, ": zero point ", zero, " is no ",
                    type_name(tensor.type), " code");
      tensor.zero_points[i] = zero;
    }
    tensor.axis = from.quantized_dimension();
    if (scales == 1) return;
    FLATENN_CHECK(tensor.axis >= 0 && tensor.axis < std::ssize(tensor.dims) &&
                      tensor.dims[static_cast<size_t>(tensor.axis)] == scales,
                  "tensor ", tensor.name, ": has ", scales, " scales along dimension ", tensor.axis,
                  ", which does not have as many");
  }

  void read_data(const tflite::Tensor& from, TfliteTensor& tensor) const {
    FLATENN_CHECK(from.external_buffer() == 0, "tensor ", tensor.name,
                  ": external buffers are not supported");
    FLATENN_CHECK(from.buffer() < model_.buffers()->size(), "tensor ", tensor.name,
                  ": is in buffer ", from.buffer(), " of ", model_.buffers()->size());
    const tflite::Buffer& buffer = *model_.buffers()->Get(from.buffer());
    FLATENN_CHECK(buffer.offset() <= 1 && buffer.size() <= 1, "tensor ", tensor.name,
                  ": its buffer lies outside of the FlatBuffer, which is not supported");
    if (buffer.data() == nullptr || buffer.data()->size() == 0) return;
    tensor.constant = true;
    tensor.data = {buffer.data()->data(), buffer.data()->size()};
    const int64_t size = element_size(tensor.type);
    if (size == 0) return;  // No layer takes such a type.
    FLATENN_CHECK(size * tensor.elements() == std::ssize(tensor.data), "tensor ", tensor.name,
                  ": expected ", size * tensor.elements(), " bytes, got ", tensor.data.size());
  }

  std::vector<int64_t> indices(const flatbuffers::Vector<int32_t>* list,
                               const std::string& what) const {
    std::vector<int64_t> result;
    if (list == nullptr) return result;
    for (const int32_t index : *list) {
      FLATENN_CHECK(index >= -1 && index < std::ssize(result_.tensors), what, ": tensor ", index,
                    " of ", result_.tensors.size());
      result.push_back(index);
    }
    return result;
  }

  void read_operator(const tflite::Operator& from) {
    const std::string what = "operator " + std::to_string(result_.operators.size());
    FLATENN_CHECK(from.opcode_index() < model_.operator_codes()->size(), what, ": is of kind ",
                  from.opcode_index(), " of ", model_.operator_codes()->size());
    const tflite::OperatorCode& code = *model_.operator_codes()->Get(from.opcode_index());
    TfliteOperator op;
    // Old files have the code in a byte; new ones in both places as far as it fits.
    op.code = std::max(code.builtin_code(), int32_t{code.deprecated_builtin_code()});
    op.op = operator_name(op.code);
    if (code.custom_code() != nullptr) op.op += " " + text(code.custom_code());
    op.inputs = indices(from.inputs(), what + " (" + op.op + ")");
    op.outputs = indices(from.outputs(), what + " (" + op.op + ")");
    FLATENN_CHECK(!op.outputs.empty() && op.outputs.front() >= 0, what, " (", op.op,
                  "): has no output");
    op.name = result_.tensors[static_cast<size_t>(op.outputs.front())].name;
    op.table = &from;
    result_.operators.push_back(std::move(op));
  }

  const tflite::Model& model_;
  const tflite::SubGraph& graph_;
  TfliteGraph result_;
};

}  // namespace

int64_t TfliteTensor::elements() const {
  int64_t result = 1;
  for (const int64_t extent : dims) result *= extent;
  return result;
}

int64_t TfliteTensor::integer(int64_t index) const {
  const auto at = static_cast<size_t>(index * element_size(type));
  const auto read = [&]<typename T>(T value) {
    std::memcpy(&value, data.subspan(at, sizeof(T)).data(), sizeof(T));
    return int64_t{value};
  };
  switch (type) {
    case tflite::TensorType_INT8:
      return read(int8_t{});
    case tflite::TensorType_UINT8:
      return read(uint8_t{});
    case tflite::TensorType_INT32:
      return read(int32_t{});
    default:
      FLATENN_CHECK(type == tflite::TensorType_INT64, "tensor ", name, ": holds ", type_name(type),
                    ", expected integers");
      return read(int64_t{});
  }
}

bool is_tflite(const std::string& bytes) {
  return bytes.size() >= 8 && tflite::ModelBufferHasIdentifier(bytes.data());
}

TfliteGraph read_tflite_graph(const std::string& bytes) {
  TfliteGraph graph = GraphReader(verified(bytes)).read();
  graph.bytes = bytes.size();
  return graph;
}

std::string type_name(tflite::TensorType type) {
  const char* name = tflite::EnumNameTensorType(type);
  return *name != '\0' ? name : "type " + std::to_string(static_cast<int>(type));
}

std::string operator_name(int code) {
  if (code < 0 || code >= std::ssize(kOperators)) return "operator " + std::to_string(code);
  return kOperators[static_cast<size_t>(code)];
}

}  // namespace flatenn::interop
