#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"
#include "interop/tflite_importer.h"

/// What works element by element, and the ends of a network.
namespace flatenn::interop {
namespace {

/// Relative; a range of codes is that of pixels where both ends are this near.
constexpr float kRangeError = 0.02F;
/// ADD keeps its operands this many bits up.
constexpr double kSumUnit = 1 << 20;

/// What real numbers an image's quantizer was made for.
ImageTransform image_of(Pixels pixels, const Activation& a, std::string& what) {
  const float low = a.scale * static_cast<float>(a.min_code() - a.zero_point);
  const float high = a.scale * static_cast<float>(a.max_code() - a.zero_point);
  const auto is = [&](float from, float to) {
    const float error = kRangeError * (to - from);
    return std::abs(low - from) <= error && std::abs(high - to) <= error;
  };
  if (pixels == Pixels::kAsSaid) {
    pixels = is(0, 255)  ? Pixels::kBytes
             : is(0, 1)  ? Pixels::kUnit
             : is(-1, 1) ? Pixels::kSymmetric
                         : Pixels::kNormalized;
  }
  what = pixels == Pixels::kBytes       ? "0 to 255"
         : pixels == Pixels::kUnit      ? "0 to 1"
         : pixels == Pixels::kSymmetric ? "-1 to 1"
                                        : "normalized as the data set's";
  return image_transform(pixels);
}

}  // namespace

/// Real numbers as the first codes.
void TfliteImporter::quantize_image(const Op& op) {
  const View from = view(op, 0);
  if (from.activation != 0 || network_.activations.front().scale != 1 || !network_.layers.empty()) {
    fail(op, "quantizes the image a second time");
  }
  Activation a = described(op, output(op));
  a.name = unique(a.name, activation_names_);
  a.shape = network_.activations.front().shape;
  std::string what;
  network_.image = image_of(options_.pixels, a, what);
  network_.image.half_away = true;
  network_.activations.front() = std::move(a);
  note(op, "image, " + what);
  set(op, {.activation = 0, .dims = from.dims});
}

/// Codes of another scale, zero point or type.
void TfliteImporter::quantize(const Op& op) {
  expect_io(op, 1, 1);
  const View from = view(op, 0);
  if (from.kind == Kind::kDropped) return drop(op);
  if (from.kind == Kind::kImage) return quantize_image(op);
  const Activation a = activation(codes(op, 0).activation);
  const Activation to = described(op, output(op));
  const bool moved = a.scale == to.scale && a.is_signed != to.is_signed &&
                     a.zero_point - a.min_code() == to.zero_point - to.min_code();
  // The same numbers with the sign bit turned: no step of its own at the ends.
  if (moved && from.activation == 0 && network_.layers.empty() && readers(op.inputs[0]) == 1) {
    Activation image = to;
    image.name = unique(to.name, activation_names_);
    image.shape = a.shape;
    network_.activations.front() = std::move(image);
    note(op, "image");
    return set(op, {.activation = 0, .dims = from.dims});
  }
  if (moved && readers(op.outputs[0]) == 1 && graph_.outputs == op.outputs) {
    note(op, "nothing");
    return set(op, from);
  }
  table(op, {requantize_codes(codes_of(a), codes_of(to))});
}

void TfliteImporter::dequantize(const Op& op) {
  expect_io(op, 1, 1);
  View from = view(op, 0);
  if (from.kind == Kind::kDropped) return drop(op);
  from = codes(op, 0);
  if (!output(op).is_float()) {
    fail(op, "writes " + type_name(output(op).type) + ", expected FLOAT32");
  }
  from.kind = Kind::kReal;
  note(op, "nothing");
  set(op, std::move(from));
}

/// A table of codes, one for all or one a channel.
void TfliteImporter::table(const Op& op, const std::vector<CodeFunction>& functions) {
  const size_t variable = views_.contains(op.inputs[0]) ? 0 : 1;
  const View from = functions.size() > 1 ? aligned(op, variable) : codes(op, variable);
  const Activation a = activation(from.activation);
  Layer layer{.name = {}, .kind = LayerKind::kTable, .src = from.activation};
  Activation dst = described(op, output(op));
  dst.shape = a.shape;
  spend(op, std::ssize(functions) * (a.max_code() - a.min_code() + 1));
  for (const CodeFunction& function : functions) {
    for (int code = a.min_code(); code <= a.max_code(); ++code) {
      layer.table.push_back(static_cast<int16_t>(function(code)));
    }
  }
  note(op, functions.size() > 1 ? "table by channel" : "table");
  append(op, std::move(layer), std::move(dst), from.dims);
}

void TfliteImporter::unary(const Op& op) {
  expect_io(op, 1, 1);
  const TfliteCodes src = codes_of(activation(codes(op, 0).activation));
  const TfliteCodes dst = codes_of(described(op, output(op)));
  CodeFunction function;
  if (op.op == "RELU") function = relu_codes(src, dst, 0, INFINITY);
  if (op.op == "RELU6") function = relu_codes(src, dst, 0, 6);
  if (op.op == "RELU_N1_TO_1") function = relu_codes(src, dst, -1, 1);
  if (op.op == "RELU_0_TO_1") function = relu_codes(src, dst, 0, 1);
  if (op.op == "HARD_SWISH") function = hard_swish_codes(src, dst);
  if (op.op == "LOGISTIC") {
    function = float_codes(src, dst, [](float x) { return 1.0F / (1.0F + std::exp(-x)); });
  }
  if (op.op == "TANH") function = float_codes(src, dst, [](float x) { return std::tanh(x); });
  if (op.op == "LEAKY_RELU") {
    const auto* options = op.table->builtin_options_as_LeakyReluOptions();
    if (options == nullptr) fail(op, "has no LeakyReluOptions");
    if (!std::isfinite(options->alpha())) fail(op, "its alpha is not finite");
    function = leaky_relu_codes(src, dst, options->alpha());
  }
  table(op, {function});
}

/// LEAKY_RELU with an alpha a channel, that is stored in codes.
void TfliteImporter::prelu(const Op& op) {
  expect_io(op, 2, 2);
  const View from = aligned(op, 0);
  const Activation& a = activation(from.activation);
  const TfliteCodes src = codes_of(a);
  const TfliteCodes dst = codes_of(described(op, output(op)));
  const TfliteTensor& alpha = constant(op, 1, "alpha");
  const Activation slope = described(op, alpha);
  if (alpha.elements() != 1 &&
      (alpha.elements() != a.shape.channels || alpha.dims.back() != a.shape.channels)) {
    fail(op, detail::concat("expected one alpha or one a channel, got ", alpha.elements()));
  }
  const net::FixedPoint identity = net::fixed_point(static_cast<double>(src.scale / dst.scale));
  const net::FixedPoint steep =
      net::fixed_point(static_cast<double>(src.scale * slope.scale / dst.scale));
  std::vector<CodeFunction> functions;
  for (int64_t c = 0; c < alpha.elements(); ++c) {
    const int64_t times = alpha.integer(c) - slope.zero_point;
    functions.push_back([=](int code) {
      const int64_t x = code - src.zero_point;
      const int64_t y = x >= 0 ? net::multiply(x, identity) : net::multiply(x * times, steep);
      return static_cast<int>(std::clamp<int64_t>(y + dst.zero_point, dst.min_code, dst.max_code));
    });
  }
  table(op, functions);
}

namespace {

/// Of ADD and MUL; the interpreter works them out from float32 scales.
std::vector<net::FixedPoint> pair_factors(const std::string& op, float a, float b, float y) {
  if (op == "MUL") return {net::fixed_point(static_cast<double>(a * b / y))};
  const double unit = 2 * static_cast<double>(std::max(a, b));
  return {net::fixed_point(static_cast<double>(a) / unit),
          net::fixed_point(static_cast<double>(b) / unit),
          net::fixed_point(unit / (kSumUnit * static_cast<double>(y)))};
}

}  // namespace

void TfliteImporter::binary(const Op& op) {
  expect_io(op, 2, 2);
  const bool add = op.op == "ADD";
  const auto* sum = op.table->builtin_options_as_AddOptions();
  const auto* product = op.table->builtin_options_as_MulOptions();
  if (add ? sum == nullptr : product == nullptr) fail(op, "has no options");
  for (const size_t variable : {size_t{0}, size_t{1}}) {
    if (input(op, 1 - variable).constant) return with_constant(op, variable);
  }
  View a = aligned(op, 0);
  View b = aligned(op, 1);
  if (activation(a.activation).shape.elements() < activation(b.activation).shape.elements()) {
    std::swap(a, b);
  }
  const Activation& first = activation(a.activation);
  const Activation& second = activation(b.activation);
  if (first.shape != second.shape && second.shape != Shape{first.shape.channels, 1, 1}) {
    fail(op, "its operands differ in shape, and the second is not one value a channel");
  }
  Layer layer{.name = {},
              .kind = add ? LayerKind::kAdd : LayerKind::kMul,
              .src = a.activation,
              .others = {b.activation},
              .requantization = net::Requantization::kFixedPoint};
  Activation dst = described(op, output(op));
  dst.shape = first.shape;
  layer.factors = pair_factors(op.op, first.scale, second.scale, dst.scale);
  limit(op, add ? sum->fused_activation_function() : product->fused_activation_function(), dst,
        layer);
  note(op, add ? "add" : "mul");
  append(op, std::move(layer), std::move(dst), a.dims);
}

/// ADD or MUL with a constant, one or one a channel: a table.
void TfliteImporter::with_constant(const Op& op, size_t variable) {
  const View from = aligned(op, variable);
  const Activation& a = activation(from.activation);
  const TfliteTensor& other = input(op, 1 - variable);
  const Activation b = described(op, other);
  if (other.elements() != 1 &&
      (other.elements() != a.shape.channels || other.dims.back() != a.shape.channels)) {
    fail(op, detail::concat("expected a constant of one value or one a channel, got ",
                            other.elements()));
  }
  const Activation dst = described(op, output(op));
  Layer limits;
  const bool add = op.op == "ADD";
  limit(op,
        add ? op.table->builtin_options_as_AddOptions()->fused_activation_function()
            : op.table->builtin_options_as_MulOptions()->fused_activation_function(),
        dst, limits);
  const int low = std::max(limits.relu ? dst.zero_point : dst.min_code(), limits.low);
  const int high = std::min(dst.max_code(), limits.high);
  const std::vector<net::FixedPoint> factors = pair_factors(op.op, a.scale, b.scale, dst.scale);
  const int zero = a.zero_point;
  const int64_t dst_zero = dst.zero_point;
  std::vector<CodeFunction> functions;
  for (int64_t c = 0; c < other.elements(); ++c) {
    const int64_t k = other.integer(c) - b.zero_point;
    functions.push_back([=](int code) {
      const int64_t x = code - zero;
      const int64_t y = add ? net::multiply(int64_t{net::multiply(x << 20, factors[0])} +
                                                net::multiply(k * (1 << 20), factors[1]),
                                            factors[2])
                            : net::multiply(x * k, factors[0]);
      return static_cast<int>(std::clamp<int64_t>(y + dst_zero, low, high));
    });
  }
  table(op, functions);
}

/// Along the channels; of other codes only where the type is uint8, as its kernel does it.
void TfliteImporter::concat(const Op& op) {
  expect_io(op, 1, 1 << 10);
  const auto* options = op.table->builtin_options_as_ConcatenationOptions();
  if (options == nullptr) fail(op, "has no ConcatenationOptions");
  if (options->fused_activation_function() != tflite::ActivationFunctionType_NONE) {
    fail(op, "a fused activation is not supported");
  }
  const int64_t rank = std::ssize(output(op).dims);
  const int64_t axis = options->axis() < 0 ? options->axis() + rank : options->axis();
  if (rank < 2 || axis != rank - 1) {
    fail(op, detail::concat("joins along axis ", options->axis(), ", expected the channels"));
  }
  Activation dst = described(op, output(op));
  Layer layer{.name = {}, .kind = LayerKind::kConcat};
  std::vector<int64_t> dims;
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    const View from = aligned(op, i);
    Activation part = activation(from.activation);
    if (from.dims.size() + 1 != static_cast<size_t>(rank)) fail(op, "its inputs differ in rank");
    if (dims.empty()) {
      dims = from.dims;
      dims.back() = 0;
    }
    dims.back() += from.dims.back();
    int64_t source = from.activation;
    if (part.scale != dst.scale || part.zero_point != dst.zero_point ||
        part.is_signed != dst.is_signed) {
      if (part.is_signed || dst.is_signed) {
        fail(op, input(op, i).name + " has another scale or zero point than the output");
      }
      const CodeFunction function = rescale_codes(codes_of(part), codes_of(dst));
      Layer step{.name = unique(short_name(op.name) + "/rescale", layer_names_),
                 .kind = LayerKind::kTable,
                 .src = source};
      for (int code = part.min_code(); code <= part.max_code(); ++code) {
        step.table.push_back(static_cast<int16_t>(function(code)));
      }
      Activation rescaled = dst;
      rescaled.shape = part.shape;
      rescaled.name = step.name;
      source = step.dst = add_activation(std::move(rescaled));
      network_.layers.push_back(std::move(step));
    }
    (i == 0 ? layer.src : layer.others.emplace_back()) = source;
  }
  dst.shape = plane_of(dims);
  note(op, "concatenation");
  append(op, std::move(layer), std::move(dst), std::move(dims));
}

/// What keeps the order of the logits.
void TfliteImporter::drop(const Op& op) {
  View from = view(op, 0);
  if (from.kind == Kind::kImage) fail(op, "reads the image");
  if (from.padded) fail(op, "reads what PAD made");
  if (op.op == "SOFTMAX") {
    const auto* options = op.table->builtin_options_as_SoftmaxOptions();
    if (options == nullptr || !(options->beta() > 0)) fail(op, "its beta is not positive");
  }
  from.kind = Kind::kDropped;
  note(op, "dropped",
       op.op == "QUANTIZE" || op.op == "DEQUANTIZE"
           ? ""
           : "logits are what comes before it; top-1 is the same");
  views_[op.outputs[0]] = std::move(from);
}

}  // namespace flatenn::interop
