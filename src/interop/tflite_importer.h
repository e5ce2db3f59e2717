#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "flatenn/interop/onnx.h"
#include "interop/net_names.h"
#include "interop/read_budget.h"
#include "interop/reader_parts.h"
#include "interop/tflite_file.h"
#include "interop/tflite_tables.h"

namespace flatenn::interop {

/// What a tensor of the file is here.
struct TfliteView {
  enum class Kind {
    kImage,    ///< The input as real numbers, in front of QUANTIZE.
    kCodes,    ///< An activation.
    kReal,     ///< An activation behind DEQUANTIZE.
    kDropped,  ///< Behind a SOFTMAX or the like: of no influence on top-1.
  };
  Kind kind = Kind::kCodes;
  int64_t activation = -1;
  /// Their extents without the batch. Element i in their order (channels last) is element i of the
  /// activation, too, when that is read row by row, channels last; extents may differ (RESHAPE).
  std::vector<int64_t> dims = {};
  Window pads = {};  ///< kCodes: what PAD put around the plane; only top, left, bottom, right.
  bool padded = false;
};

/// Builds a network from a TensorFlow Lite graph, operator by operator, with the fixed-point
/// arithmetic of the reference kernels; every failure names its operator. Its members stand in
/// tflite_importer.cpp (the walk), tflite_layers.cpp (what multiplies or pools),
/// tflite_elementwise.cpp and tflite_shapes.cpp.
class TfliteImporter {
 public:
  TfliteImporter(const TfliteGraph& graph, Network& network, const ReadOptions& options,
                 std::vector<ImportedNode>* notes);
  void run();

 private:
  using Op = TfliteOperator;
  using View = TfliteView;
  using Kind = TfliteView::Kind;

  // The walk.
  void check_types() const;
  void read_image();
  void read_operator(const Op& op);
  void finish_logits();
  void note(const Op& op, std::string became, std::string why = "");
  std::vector<int64_t> image_extents(int64_t tensor) const;
  [[noreturn]] static void fail(const Op& op, const std::string& message);

  // Tensors.
  const TfliteTensor& tensor(int64_t index) const {
    return graph_.tensors[static_cast<size_t>(index)];
  }
  const TfliteTensor& input(const Op& op, size_t index) const;
  const TfliteTensor& constant(const Op& op, size_t index, const char* what) const;
  const TfliteTensor& output(const Op& op) const { return tensor(op.outputs.front()); }
  void expect_io(const Op& op, size_t fewest, size_t most) const;
  std::vector<int64_t> integers(const Op& op, size_t index, const char* what);
  std::vector<int64_t> list_of(const Op& op, int64_t tensor, const char* what);
  const View& view(const Op& op, size_t index) const;
  const View& codes(const Op& op, size_t index) const;
  View plane(const Op& op, size_t index);
  View aligned(const Op& op, size_t index);
  void expect_movable(const Op& op, const Shape& shape);
  void spend(const Op& op, int64_t values);
  void set(const Op& op, View value);
  std::vector<int64_t> without_batch(const TfliteTensor& tensor, const Op& op) const;
  int64_t readers(int64_t tensor) const;

  // The network.
  Activation& activation(int64_t index) { return network_.activations[static_cast<size_t>(index)]; }
  const Activation& activation(int64_t index) const {
    return network_.activations[static_cast<size_t>(index)];
  }
  Activation described(const Op& op, const TfliteTensor& tensor) const;
  int64_t add_activation(Activation activation);
  void append(const Op& op, Layer layer, Activation dst, std::vector<int64_t> dims);
  void expect_same_codes(const Op& op, const Activation& src) const;
  void limit(const Op& op, tflite::ActivationFunctionType function, const Activation& dst,
             Layer& layer) const;
  std::string unique(const std::string& name, std::map<std::string, int64_t>& seen) const;

  // Layers.
  void conv(const Op& op);
  void depthwise(const Op& op);
  void fully_connected(const Op& op);
  const TfliteTensor& filter(const Op& op, int64_t rank) const;
  void weights(const Op& op, const TfliteTensor& from, int64_t channels, int64_t area,
               Layer& layer);
  void bias(const Op& op, const Activation& src, Layer& layer);
  void factors(const Op& op, const Activation& src, const Activation& dst, bool legacy,
               Layer& layer) const;
  void finish(const Op& op, const View& src, tflite::ActivationFunctionType function,
              const Shape& shape, std::vector<int64_t> dims, bool legacy, Layer layer);
  Shape window(const Op& op, const View& src, tflite::Padding padding, Layer& layer) const;
  void pool(const Op& op);
  void mean(const Op& op);

  // Element by element.
  void quantize(const Op& op);
  void quantize_image(const Op& op);
  void dequantize(const Op& op);
  void unary(const Op& op);
  void prelu(const Op& op);
  void binary(const Op& op);
  void with_constant(const Op& op, size_t variable);
  void table(const Op& op, const std::vector<CodeFunction>& functions);
  void concat(const Op& op);
  void drop(const Op& op);

  // Shapes.
  std::vector<int64_t> reshaped(const Op& op);
  void reshape(const Op& op);
  void transpose(const Op& op);
  void pad(const Op& op);
  void shape(const Op& op);
  void strided_slice(const Op& op);
  void pack(const Op& op);

  const TfliteGraph& graph_;
  Network& network_;
  const ReadOptions& options_;
  std::vector<ImportedNode>* notes_;
  std::map<int64_t, View> views_;
  std::map<int64_t, std::vector<int64_t>> lists_;  ///< Integers computed from shapes.
  std::map<std::string, int64_t> activation_names_;
  std::map<std::string, int64_t> layer_names_;
  int64_t batch_ = 1;
  ReadBudget budget_;
};

/// What comes in front of the ";" that joins the names of fused operators.
std::string short_name(const std::string& name);
/// Rows, columns and channels of extents without the batch.
Shape plane_of(const std::vector<int64_t>& dims);
TfliteCodes codes_of(const Activation& activation);

}  // namespace flatenn::interop
