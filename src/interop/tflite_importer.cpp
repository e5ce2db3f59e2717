#include "interop/tflite_importer.h"

#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"

namespace flatenn::interop {
namespace {

constexpr int64_t kLargestExtent = 1 << 16;

/// Only these meet real numbers in a network that is quantized throughout.
bool at_an_end(const std::string& op) {
  return op == "QUANTIZE" || op == "DEQUANTIZE" || op == "SOFTMAX" || op == "LOG_SOFTMAX" ||
         op == "ARG_MAX" || op == "RESHAPE" || op == "SQUEEZE" || op == "EXPAND_DIMS";
}

constexpr const char* kWayOut =
    "quantize it throughout (TFLiteConverter with a representative_dataset and "
    "target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8])";

constexpr int64_t kMostTransposed = 1 << 24;  // elements; the order takes four bytes for each

}  // namespace

std::string short_name(const std::string& name) {
  const std::string first = name.substr(0, name.find(';'));
  return first.empty() ? name : first;
}

Shape plane_of(const std::vector<int64_t>& dims) {
  switch (dims.size()) {
    case 0:
      return {1, 1, 1};
    case 1:
      return {dims[0], 1, 1};
    case 2:
      return {dims[1], dims[0], 1};
    default:
      return {dims[2], dims[0], dims[1]};
  }
}

TfliteCodes codes_of(const Activation& a) {
  return {.scale = a.scale,
          .zero_point = a.zero_point,
          .min_code = a.min_code(),
          .max_code = a.max_code()};
}

TfliteImporter::TfliteImporter(const TfliteGraph& graph, Network& network,
                               const ReadOptions& options, std::vector<ImportedNode>* notes)
    : graph_(graph), network_(network), options_(options), notes_(notes), budget_(graph.bytes) {}

void TfliteImporter::run() {
  check_types();
  read_image();
  for (const Op& op : graph_.operators) {
    try {
      read_operator(op);
    } catch (const Error& error) {
      const std::string what = error.what();
      if (what.starts_with("node ")) throw;
      fail(op, what);
    }
  }
  finish_logits();
}

/// Kinds of quantization that are none of int8 and uint8 are refused as a whole.
void TfliteImporter::check_types() const {
  for (const Op& op : graph_.operators) {
    for (const std::vector<int64_t>* list : {&op.inputs, &op.outputs}) {
      for (const int64_t index : *list) {
        if (index < 0) continue;
        const TfliteTensor& t = tensor(index);
        if (t.type == tflite::TensorType_INT16 || t.type == tflite::TensorType_FLOAT16) {
          fail(op,
               t.name + " is " + type_name(t.type) + " (" +
                   (t.type == tflite::TensorType_INT16 ? "int16 activations, 16x8" : "float16") +
                   "), which is not supported: " + kWayOut);
        }
        if (!t.is_float() || at_an_end(op.op)) continue;
        const bool hybrid = std::any_of(op.inputs.begin(), op.inputs.end(), [&](int64_t i) {
          return i >= 0 && tensor(i).constant && tensor(i).is_codes();
        });
        fail(op, std::string(hybrid ? "has int8 weights but computes in float (dynamic range)"
                                    : "computes in float") +
                     ", which is not supported: " + kWayOut);
      }
    }
  }
}

/// Without the batch; those of the reshaped image where that is all that reads it.
std::vector<int64_t> TfliteImporter::image_extents(int64_t index) const {
  const TfliteTensor& t = tensor(index);
  std::vector<int64_t> dims(t.dims.begin() + (t.dims.empty() ? 0 : 1), t.dims.end());
  if (dims.size() == 3 || readers(index) != 1) return dims;
  for (const Op& op : graph_.operators) {
    if (op.inputs.empty() || op.inputs.front() != index) continue;
    const bool passes = op.op == "RESHAPE" || op.op == "EXPAND_DIMS" || op.op == "QUANTIZE";
    const TfliteTensor& next = tensor(op.outputs.front());
    if (!passes || next.elements() != t.elements()) break;
    const std::vector<int64_t> behind = image_extents(op.outputs.front());
    return behind.size() == 3 ? behind : dims;
  }
  return dims;
}

void TfliteImporter::read_image() {
  std::vector<int64_t> images;
  for (const int64_t index : graph_.inputs) {
    if (index >= 0 && !tensor(index).constant) images.push_back(index);
  }
  FLATENN_CHECK(!images.empty(), "graph: has no input");
  FLATENN_CHECK(images.size() == 1, "graph: has inputs ", tensor(images[0]).name, " and ",
                tensor(images.back()).name, ", expected one");
  const TfliteTensor& image = tensor(images[0]);
  FLATENN_CHECK(image.is_float() || image.is_codes(), "graph: input ", image.name, " is ",
                type_name(image.type), ", expected FLOAT32, INT8 or UINT8");
  FLATENN_CHECK(image.dims.size() >= 2 && image.dims.size() <= 4, "graph: input ", image.name,
                " must be [N, features] or [N, H, W, C], got ", image.dims.size(), " dimensions");
  FLATENN_CHECK(std::all_of(image.dims.begin(), image.dims.end(),
                            [](int64_t e) { return e > 0 && e <= kLargestExtent; }),
                "graph: input ", image.name, " must have extents from 1 to 65536");
  batch_ = image.dims.front();
  View view{
      .kind = Kind::kImage, .activation = 0, .dims = {image.dims.begin() + 1, image.dims.end()}};
  Activation a;
  a.name = unique(short_name(image.name), activation_names_);
  a.shape = plane_of(image_extents(images[0]));
  network_.image = image_transform(options_.pixels);
  if (image.is_codes()) {
    FLATENN_CHECK(image.scales.size() == 1, "graph: input ", image.name, " is ",
                  type_name(image.type), " without one scale");
    a.scale = image.scales[0];
    a.zero_point = static_cast<int>(image.zero_points[0]);
    a.is_signed = image.type == tflite::TensorType_INT8;
    view.kind = Kind::kCodes;
    if (options_.pixels == Pixels::kAsSaid) {
      // Bytes as they are, or less 128 where they are signed.
      const int shift = a.min_code() - a.zero_point;
      network_.image = {.raw_pixels = true, .factor = {a.scale}};
      if (shift != 0) network_.image.shift = {a.scale * static_cast<float>(shift)};
    }
  }
  network_.activations.push_back(a);
  views_[images[0]] = view;
}

void TfliteImporter::read_operator(const Op& op) {
  using Handler = void (TfliteImporter::*)(const Op&);
  static const std::map<std::string, Handler> kHandlers = {
      {"CONV_2D", &TfliteImporter::conv},
      {"DEPTHWISE_CONV_2D", &TfliteImporter::depthwise},
      {"FULLY_CONNECTED", &TfliteImporter::fully_connected},
      {"AVERAGE_POOL_2D", &TfliteImporter::pool},
      {"MAX_POOL_2D", &TfliteImporter::pool},
      {"MEAN", &TfliteImporter::mean},
      {"ADD", &TfliteImporter::binary},
      {"MUL", &TfliteImporter::binary},
      {"CONCATENATION", &TfliteImporter::concat},
      {"RELU", &TfliteImporter::unary},
      {"RELU6", &TfliteImporter::unary},
      {"RELU_N1_TO_1", &TfliteImporter::unary},
      {"RELU_0_TO_1", &TfliteImporter::unary},
      {"LEAKY_RELU", &TfliteImporter::unary},
      {"HARD_SWISH", &TfliteImporter::unary},
      {"LOGISTIC", &TfliteImporter::unary},
      {"TANH", &TfliteImporter::unary},
      {"PRELU", &TfliteImporter::prelu},
      {"QUANTIZE", &TfliteImporter::quantize},
      {"DEQUANTIZE", &TfliteImporter::dequantize},
      {"SOFTMAX", &TfliteImporter::drop},
      {"LOG_SOFTMAX", &TfliteImporter::drop},
      {"ARG_MAX", &TfliteImporter::drop},
      {"RESHAPE", &TfliteImporter::reshape},
      {"SQUEEZE", &TfliteImporter::reshape},
      {"EXPAND_DIMS", &TfliteImporter::reshape},
      {"TRANSPOSE", &TfliteImporter::transpose},
      {"PAD", &TfliteImporter::pad},
      {"PADV2", &TfliteImporter::pad},
      {"SHAPE", &TfliteImporter::shape},
      {"STRIDED_SLICE", &TfliteImporter::strided_slice},
      {"PACK", &TfliteImporter::pack}};
  if (op.outputs.size() != 1) {
    fail(op, detail::concat("has ", op.outputs.size(), " outputs, expected one"));
  }
  if (views_.contains(op.outputs[0]) || lists_.contains(op.outputs[0]) || output(op).constant) {
    fail(op, "writes " + output(op).name + ", which exists already");
  }
  const auto handler = kHandlers.find(op.op);
  if (handler == kHandlers.end()) fail(op, "operator is not supported");
  (this->*handler->second)(op);
}

void TfliteImporter::finish_logits() {
  FLATENN_CHECK(graph_.outputs.size() == 1 && graph_.outputs[0] >= 0,
                "graph: expected one output, got ", graph_.outputs.size());
  const std::string& name = tensor(graph_.outputs[0]).name;
  const auto found = views_.find(graph_.outputs[0]);
  FLATENN_CHECK(found != views_.end(), "graph: output ", name, " is computed by no operator");
  FLATENN_CHECK(!found->second.padded, "graph: output ", name, " is padded");
  FLATENN_CHECK(!network_.layers.empty() && network_.layers.back().dst == found->second.activation,
                "graph: output ", name, " is not the result of the last layer");
}

void TfliteImporter::note(const Op& op, std::string became, std::string why) {
  if (notes_ == nullptr) return;
  notes_->push_back({.name = short_name(op.name),
                     .op = op.op,
                     .became = std::move(became),
                     .why = std::move(why)});
}

void TfliteImporter::fail(const Op& op, const std::string& message) {
  throw Error("node " + short_name(op.name) + " (" + op.op + "): " + message);
}

void TfliteImporter::expect_io(const Op& op, size_t fewest, size_t most) const {
  if (op.inputs.size() < fewest || op.inputs.size() > most) {
    fail(op, detail::concat("has ", op.inputs.size(), " inputs, expected ", fewest,
                            fewest == most ? std::string() : " to " + std::to_string(most)));
  }
}

const TfliteTensor& TfliteImporter::input(const Op& op, size_t index) const {
  if (index >= op.inputs.size() || op.inputs[index] < 0) {
    fail(op, detail::concat("lacks input ", index));
  }
  return tensor(op.inputs[index]);
}

const TfliteTensor& TfliteImporter::constant(const Op& op, size_t index, const char* what) const {
  const TfliteTensor& t = input(op, index);
  if (!t.constant) fail(op, std::string(what) + " " + t.name + " is not a constant");
  return t;
}

const TfliteView& TfliteImporter::view(const Op& op, size_t index) const {
  const TfliteTensor& t = input(op, index);
  const auto found = views_.find(op.inputs[index]);
  if (found == views_.end()) {
    fail(op, "reads " + t.name +
                 (t.constant ? ", which is a constant" : ", which nothing before it computed"));
  }
  return found->second;
}

/// An activation that nothing padded.
const TfliteView& TfliteImporter::codes(const Op& op, size_t index) const {
  const View& from = view(op, index);
  if (from.kind != Kind::kCodes) fail(op, "reads " + input(op, index).name + ", which is no codes");
  if (from.padded) fail(op, "reads what PAD made, which only convolutions and pools may");
  return from;
}

std::vector<int64_t> TfliteImporter::without_batch(const TfliteTensor& t, const Op& op) const {
  if (t.dims.empty() || t.dims.front() != batch_) {
    fail(op, detail::concat(t.name, " has a batch of ", t.dims.empty() ? 0 : t.dims.front(),
                            ", expected ", batch_));
  }
  if (t.dims.size() > 4) fail(op, t.name + " has more than 4 dimensions");
  for (const int64_t extent : t.dims) {
    if (extent < 1 || extent > kLargestExtent) {
      fail(op, detail::concat(t.name, " has an extent of ", extent, ", expected 1 to 65536"));
    }
  }
  return {t.dims.begin() + 1, t.dims.end()};
}

/// Gives the operator's output its meaning; the file must say the same extents.
void TfliteImporter::set(const Op& op, View value) {
  const std::vector<int64_t> said = without_batch(output(op), op);
  if (said != value.dims) {
    const auto text = [](const std::vector<int64_t>& dims) {
      std::string result;
      for (const int64_t dim : dims) result += (result.empty() ? "" : "x") + std::to_string(dim);
      return result.empty() ? std::string("nothing") : result;
    };
    fail(op, "writes " + text(value.dims) + " an image, but its output is " + text(said));
  }
  views_[op.outputs[0]] = std::move(value);
}

int64_t TfliteImporter::readers(int64_t index) const {
  int64_t count = std::count(graph_.outputs.begin(), graph_.outputs.end(), index);
  for (const Op& op : graph_.operators) {
    count += std::count(op.inputs.begin(), op.inputs.end(), index);
  }
  return count;
}

std::string TfliteImporter::unique(const std::string& base,
                                   std::map<std::string, int64_t>& seen) const {
  std::string name = base;
  while (!seen.emplace(name, 0).second) name = base + "_" + std::to_string(++seen[base] + 1);
  return name;
}

/// Name and codes of a tensor of the file, without a shape.
Activation TfliteImporter::described(const Op& op, const TfliteTensor& t) const {
  if (!t.is_codes()) fail(op, t.name + " is " + type_name(t.type) + ", expected INT8 or UINT8");
  if (t.scales.size() != 1) {
    fail(op, detail::concat(t.name, " has ", t.scales.size(), " scales, expected one"));
  }
  Activation a;
  a.name = short_name(t.name);
  a.scale = t.scales[0];
  a.zero_point = static_cast<int>(t.zero_points[0]);
  a.is_signed = t.type == tflite::TensorType_INT8;
  return a;
}

int64_t TfliteImporter::add_activation(Activation a) {
  a.name = unique(a.name, activation_names_);
  network_.activations.push_back(std::move(a));
  return std::ssize(network_.activations) - 1;
}

void TfliteImporter::append(const Op& op, Layer layer, Activation dst, std::vector<int64_t> dims) {
  layer.name = unique(short_name(op.name), layer_names_);
  layer.dst = add_activation(std::move(dst));
  const int64_t activation = layer.dst;
  network_.layers.push_back(std::move(layer));
  set(op, {.activation = activation, .dims = std::move(dims)});
}

/// What only chooses codes cannot change their meaning.
void TfliteImporter::expect_same_codes(const Op& op, const Activation& src) const {
  const Activation dst = described(op, output(op));
  if (dst.scale != src.scale || dst.zero_point != src.zero_point ||
      dst.is_signed != src.is_signed) {
    fail(op, detail::concat("its output has scale ", dst.scale, " and zero point ", dst.zero_point,
                            ", its input ", src.scale, " and ", src.zero_point));
  }
}

/// Fused activations narrow the codes.
void TfliteImporter::limit(const Op& op, tflite::ActivationFunctionType function,
                           const Activation& dst, Layer& layer) const {
  float low = -INFINITY;
  float high = INFINITY;
  switch (function) {
    case tflite::ActivationFunctionType_NONE:
      return;
    case tflite::ActivationFunctionType_RELU:
      low = 0;
      break;
    case tflite::ActivationFunctionType_RELU6:
      low = 0;
      high = 6;
      break;
    case tflite::ActivationFunctionType_RELU_N1_TO_1:
      low = -1;
      high = 1;
      break;
    default:
      fail(op,
           detail::concat("fused activation ", static_cast<int>(function), " is not supported"));
  }
  const CodeLimits limits = activation_limits(codes_of(dst), low, high);
  layer.relu = low == 0;
  if (!layer.relu && limits.low > dst.min_code()) layer.low = limits.low;
  if (limits.high < dst.max_code()) layer.high = limits.high;
}

void TfliteImporter::expect_movable(const Op& op, const Shape& shape) {
  if (shape.elements() > kMostTransposed) fail(op, "moves more than 2^24 elements");
  spend(op, shape.elements());
}

void TfliteImporter::spend(const Op& op, int64_t values) {
  if (!budget_.spend(values)) fail(op, ReadBudget::kExceeded);
}

/// Its activation with rows, columns and channels as the file now sees them.
TfliteView TfliteImporter::aligned(const Op& op, size_t index) {
  View from = codes(op, index);
  const Activation& a = activation(from.activation);
  const Shape shape = plane_of(from.dims);
  if (shape == a.shape) return from;
  expect_movable(op, shape);
  Layer layer{.name = unique(short_name(input(op, index).name) + "/move", layer_names_),
              .kind = LayerKind::kMove,
              .src = from.activation};
  const Shape& old = a.shape;
  for (int64_t c = 0; c < shape.channels; ++c) {
    for (int64_t p = 0; p < shape.height * shape.width; ++p) {
      const int64_t at = p * shape.channels + c;
      layer.order.push_back(
          static_cast<int32_t>((at % old.channels) * old.height * old.width + at / old.channels));
    }
  }
  Activation dst = a;
  dst.shape = shape;
  dst.name = layer.name;
  layer.dst = add_activation(std::move(dst));
  from.activation = layer.dst;
  network_.layers.push_back(std::move(layer));
  views_[op.inputs[index]] = from;
  return from;
}

}  // namespace flatenn::interop
