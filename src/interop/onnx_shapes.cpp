#include <algorithm>
#include <cmath>
#include <numeric>

#include "flatenn/base/error.h"
#include "interop/onnx_importer.h"

/// Operators that only move or rename.
namespace flatenn::interop {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 30;
constexpr int64_t kMostMoved = int64_t{1} << 26;
constexpr int64_t kMostOffset = 1 << 30;

int64_t number_of_elements(const std::vector<int64_t>& dims) {
  return std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>());
}

}  // namespace

void Importer::identity(const Node& node) {
  expect_io(node, 3, 2);
  Attributes attributes(node);
  if (node.op_type() == "Dropout") {
    attributes.ignore("ratio");  // of training, as the seed
    attributes.ignore("seed");
    attributes.ignore("is_test");
    if (!input_or_none(node, 1).empty()) {
      const float ratio = constants_.scalar(node, node.input(1));
      if (!(ratio >= 0 && ratio < 1) || !constants_.find(node.input(1))->dims.empty()) {
        fail_at(node, "its ratio must be one number from 0 to below 1");
      }
    }
    const std::string training = input_or_none(node, 2);
    if (!training.empty() && constants_.integers(node, training) != std::vector<int64_t>{0}) {
      fail_at(node, "training_mode is not supported");
    }
    if (node.output_size() == 2 && readers_[node.output(1)] > 0) fail_at(node, "its mask is read");
  } else {
    expect_io(node, 1);
  }
  attributes.finish();
  note(node, "nothing");
  set(node, tensor(node, 0));
}

void Importer::cast(const Node& node) {
  expect_io(node, 1);
  Attributes attributes(node);
  const int64_t to = attributes.get_int("to", 0);
  attributes.ignore("saturate");  // of float8 types
  attributes.finish();
  Tensor from = tensor(node, 0);
  const bool to_integers = to == onnx::TensorProto::INT32 || to == onnx::TensorProto::INT64;
  if (to_integers && (from.kind == Kind::kReal || from.kind == Kind::kFunction)) {
    from.places = true;
    return apply(node, from, [](float x) { return std::trunc(x); });
  }
  const bool keeps =
      to == onnx::TensorProto::FLOAT && (from.kind == Kind::kImage || from.kind == Kind::kDropped ||
                                         from.kind == Kind::kReal || from.kind == Kind::kPending);
  if (to_integers && from.kind == Kind::kCodes) {
    from.kind = Kind::kIndex;
    from.offsets = {0};
  } else if (!keeps && !(to_integers && from.kind == Kind::kDropped)) {
    fail_at(node, detail::concat("a cast to ONNX type ", to, " is not supported"));
  }
  if (from.kind == Kind::kImage && !from.is_float && from.is_signed) {
    from.image.shift = {-128};
    note(node, "image", "signed codes are taken to be pixels less 128");
  }
  from.is_float = from.is_float || from.kind == Kind::kImage;
  note(node, "nothing");
  set(node, from);
}

/// A layer that only orders codes, in front of what reads them.
Tensor Importer::moved(const Node& node, const Tensor& from, const Shape& shape,
                       std::vector<int32_t> order) {
  const bool codes = from.kind == Kind::kCodes;
  Tensor out = codes ? from : as_real(node, from, node.input(0));
  Layer layer{.name = layer_name(node), .kind = LayerKind::kMove, .src = out.activation};
  layer.order = std::move(order);
  Activation dst = activation(out.activation);
  dst.name = node.output(0);
  dst.shape = shape;
  network_.activations.push_back(std::move(dst));
  out.activation = std::ssize(network_.activations) - 1;
  append(std::move(layer), out.activation);
  out.kind = codes ? Kind::kCodes : Kind::kReal;
  return out;
}

/// Throws Error where the layers that move codes would list more than a file of any use does.
void Importer::count_moved(const Node& node, int64_t elements) {
  moved_ += elements;
  if (moved_ > kMostMoved) {
    fail_at(node,
            detail::concat("moves more than ", kMostMoved, " values with the nodes before it"));
  }
}

/// `dims` with the batch in front.
void Importer::reshape_to(const Node& node, const Tensor& from, std::vector<int64_t> dims) {
  const int64_t elements = number_of_elements(from.dims);
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0) dims[i] = i == 0 ? batch_ : i <= from.dims.size() ? from.dims[i - 1] : 0;
  }
  const auto opens = std::count(dims.begin(), dims.end(), -1);
  const auto fits = [&](int64_t d) { return d == -1 || (d > 0 && d <= kMostElements); };
  if (dims.empty() || opens > 1 || dims.size() > 8 ||
      !std::all_of(dims.begin(), dims.end(), fits)) {
    fail_at(node, "its shape is not one of a batch of images");
  }
  if (dims.front() > 1 && dims.front() != batch_) {
    fail_at(node, detail::concat("makes a batch of ", dims.front(), " of one of ", batch_));
  }
  std::vector<int64_t> rest(dims.begin() + 1, dims.end());
  int64_t known = 1;
  for (const int64_t dim : rest) {
    known *= std::abs(dim);
    if (known > kMostElements) fail_at(node, "its shape is too large for an image");
  }
  for (int64_t& dim : rest) {
    if (dim == -1) dim = known > 0 ? elements / known : 0;
  }
  if (number_of_elements(rest) != elements || rest.empty()) {
    fail_at(node, detail::concat("a shape of ", number_of_elements(rest),
                                 " elements an image does not fit ", elements));
  }
  Tensor out = from;
  if (from.channels_last && from.dims != rest) {
    // Activations are CHW: bring the codes into the order of HWC first.
    if (from.activation < 0 && from.kind != Kind::kImage && from.kind != Kind::kPending) {
      fail_at(node, "flattens channels that stand last, before they are quantized");
    }
    const Shape s = from.kind == Kind::kPending
                        ? from.pending->shape
                        : activation(std::max<int64_t>(from.activation, 0)).shape;
    count_moved(node, s.elements());
    std::vector<int32_t> order;
    for (int64_t y = 0; y < s.height; ++y) {
      for (int64_t x = 0; x < s.width; ++x) {
        for (int64_t c = 0; c < s.channels; ++c) {
          order.push_back(static_cast<int32_t>((c * s.height + y) * s.width + x));
        }
      }
    }
    const bool moves = s.height * s.width > 1 && s.channels > 1;
    if (from.kind == Kind::kImage || from.kind == Kind::kPending) {
      if (moves) fail_at(node, "flattens channels that stand last, before they are quantized");
    } else if (moves) {
      out = moved(node, from, {s.elements(), 1, 1}, order);
    }
    out.channels_last = false;
  }
  out.dims = rest;
  // Layers read planes by the activation's shape.
  if (rest.size() == 3 && out.activation >= 0 && out.kind != Kind::kImage) {
    const Shape wanted{rest[0], rest[1], rest[2]};
    if (!(activation(out.activation).shape == wanted)) {
      if (!network_.layers.empty() && network_.layers.back().kind == LayerKind::kMove &&
          network_.layers.back().dst == out.activation && readers_[node.input(0)] == 1) {
        activation(out.activation).shape = wanted;
        activation(out.activation).name = node.output(0);
      } else {
        count_moved(node, elements);
        std::vector<int32_t> order(static_cast<size_t>(elements));
        std::iota(order.begin(), order.end(), 0);
        out = moved(node, out, wanted, order);
      }
      out.dims = rest;
    }
  }
  note(node, "nothing");
  set(node, out);
}

void Importer::flatten(const Node& node) {
  expect_io(node, 1);
  Attributes attributes(node);
  const int64_t axis = attributes.get_int("axis", 1);
  attributes.finish();
  const Tensor from = tensor(node, 0);
  if (axis != 1 && axis != -std::ssize(from.dims)) fail_at(node, "only axis 1 is supported");
  reshape_to(node, from, {batch_, -1});
}

void Importer::reshape(const Node& node) {
  expect_io(node, 2);
  Attributes attributes(node);
  const bool zeros = attributes.get_flag("allowzero", false);
  attributes.finish();
  const std::vector<int64_t> dims = constants_.index_list(node, required_input(node, 1));
  if (zeros && std::find(dims.begin(), dims.end(), 0) != dims.end()) {
    fail_at(node, "asks for an extent of 0");
  }
  reshape_to(node, tensor(node, 0), dims);
}

/// Zeros around a plane that a convolution reads.
void Importer::pad(const Node& node) {
  expect_io(node, 4);
  Attributes attributes(node);
  const std::string mode = attributes.get_string("mode", "constant");
  std::vector<int64_t> pads = attributes.get_ints("pads", {});
  float value = attributes.get_float("value", 0);
  attributes.finish();
  if (!input_or_none(node, 1).empty()) pads = constants_.index_list(node, node.input(1));
  if (!input_or_none(node, 2).empty()) value = constants_.scalar(node, node.input(2));
  if (!input_or_none(node, 3).empty()) fail_at(node, "axes are not supported");
  Tensor out = real(node, 0);
  const bool plane = pads.size() == 8 && pads[0] == 0 && pads[1] == 0 && pads[4] == 0 &&
                     pads[5] == 0 && out.dims.size() == 3 && !out.channels_last;
  if (mode != "constant" || value != 0 || !plane) {
    fail_at(node, "only zeros around a plane [N, C, H, W] are supported");
  }
  for (const int64_t extent : pads) {
    if (extent < 0 || extent > (1 << 15)) fail_at(node, "its pads must be in 0..32768");
  }
  out.pads = {pads[2], pads[3], pads[6], pads[7]};
  out.dims[1] += pads[2] + pads[6];
  out.dims[2] += pads[3] + pads[7];
  note(node, "padding of the convolution behind it");
  set(node, out);
}

void Importer::transpose(const Node& node) {
  expect_io(node, 1);
  Attributes attributes(node);
  Tensor from = tensor(node, 0);
  std::vector<int64_t> same(from.dims.size() + 1);
  std::iota(same.begin(), same.end(), 0);
  const std::vector<int64_t> order =
      attributes.get_ints("perm", std::vector<int64_t>(same.rbegin(), same.rend()));
  attributes.finish();
  if (!std::is_permutation(order.begin(), order.end(), same.begin(), same.end()) ||
      order.front() != 0) {
    fail_at(node, "its perm is no order of the dimensions behind the batch");
  }
  if (order == same) {
    note(node, "nothing");
    return set(node, from);
  }
  const bool to_last = order == std::vector<int64_t>{0, 2, 3, 1} && !from.channels_last;
  const bool to_first = order == std::vector<int64_t>{0, 3, 1, 2} && from.channels_last;
  const bool image_to_first =
      order == std::vector<int64_t>{0, 3, 1, 2} && from.kind == Kind::kImage;
  if (!to_last && !to_first && !image_to_first) return permute(node, from, order);
  const std::vector<int64_t> d = from.dims;
  if (to_last) {
    from.dims = {d[1], d[2], d[0]};
    from.channels_last = true;
  } else {
    from.dims = {d[2], d[0], d[1]};
    if (!from.channels_last) {
      if (!network_.input().name.empty()) fail_at(node, "transposes the image behind a quantizer");
      if (from.image.factor.size() > 1 || from.image.shift.size() > 1) {
        fail_at(node, "transposes the image behind a step that differs between its first extents");
      }
      activation(0).shape = {from.dims[0], from.dims[1], from.dims[2]};
    }
    from.channels_last = false;
  }
  note(node, "nothing");
  set(node, from);
}

/// Any other order, as a layer that moves codes.
void Importer::permute(const Node& node, const Tensor& from, const std::vector<int64_t>& order) {
  if (from.kind != Kind::kCodes && from.kind != Kind::kReal && from.kind != Kind::kFunction) {
    fail_at(node, "reorders what is not quantized");
  }
  const size_t rank = from.dims.size();
  if (rank < 2 || rank > 3) fail_at(node, "only planes may be reordered");
  const Shape shape = activation(from.activation).shape;
  std::vector<int64_t> step(rank, 1);  // in the activation, which is CHW
  if (from.channels_last) {
    step = {shape.width, 1, shape.height * shape.width};
  } else {
    for (size_t i = rank - 1; i-- > 0;) step[i] = step[i + 1] * from.dims[i + 1];
  }
  std::vector<int64_t> dims;
  std::vector<int64_t> steps;
  for (size_t i = 1; i < order.size(); ++i) {
    dims.push_back(from.dims[static_cast<size_t>(order[i] - 1)]);
    steps.push_back(step[static_cast<size_t>(order[i] - 1)]);
  }
  std::vector<int64_t> extents = dims;
  extents.resize(3, 1);
  steps.resize(3, 0);
  count_moved(node, shape.elements());
  std::vector<int32_t> elements;
  elements.reserve(static_cast<size_t>(shape.elements()));
  for (int64_t a = 0; a < extents[0]; ++a) {
    for (int64_t b = 0; b < extents[1]; ++b) {
      for (int64_t c = 0; c < extents[2]; ++c) {
        elements.push_back(static_cast<int32_t>(a * steps[0] + b * steps[1] + c * steps[2]));
      }
    }
  }
  Tensor out = moved(node, from, {extents[0], extents[1], extents[2]}, std::move(elements));
  out.dims = dims;
  out.channels_last = false;
  note(node, "order of codes");
  set(node, out);
}

/// Squeeze and Unsqueeze.
void Importer::squeeze(const Node& node) {
  expect_io(node, 2);
  Attributes attributes(node);
  std::vector<int64_t> axes = attributes.get_ints("axes", {});
  attributes.finish();
  if (!input_or_none(node, 1).empty()) axes = constants_.index_list(node, node.input(1));
  Tensor from = tensor(node, 0);
  const bool add = node.op_type() == "Unsqueeze";
  if ((add && axes.empty()) || (node.input_size() == 2 && node.input(1).empty())) {
    fail_at(node, "its axes are missing");
  }
  std::vector<int64_t> dims = from.dims;
  axes = normal_axes(node, axes, dims.size() + 1 + (add ? axes.size() : 0));
  const bool all = axes.empty() && !add;
  if (all) {
    for (size_t i = 0; i < dims.size(); ++i) {
      if (dims[i] == 1) axes.push_back(static_cast<int64_t>(i) + 1);
    }
    if (fixed_batch_) axes.insert(axes.begin(), 0);
  }
  if (!axes.empty() && axes.front() == 0) {
    if (add || !fixed_batch_) fail_at(node, "its axes hold the batch");
    from.without_batch = true;
    axes.erase(axes.begin());
  }
  if (add) {
    for (const int64_t axis : axes) dims.insert(dims.begin() + axis - 1, 1);
  } else {
    for (size_t i = axes.size(); i-- > 0;) {
      if (dims[static_cast<size_t>(axes[i] - 1)] != 1)
        fail_at(node, "drops an extent other than 1");
      dims.erase(dims.begin() + axes[i] - 1);
    }
  }
  if (from.channels_last && dims.size() != 3) {
    const Shape shape = from.kind == Kind::kPending ? from.pending->shape
                        : from.activation >= 0      ? activation(from.activation).shape
                                                    : Shape{0, 2, 2};
    if (shape.height * shape.width != 1) {
      fail_at(node, "of channels that stand last is not supported");
    }
    from.channels_last = false;
  }
  from.dims = dims;
  note(node, "nothing");
  set(node, from);
}

/// Of a table by codes, or of the elements of a flattened activation by a constant order.
/// A function's values as places in a list of real values.
Tensor Importer::looked_up(const Node& node, Tensor places, const std::vector<float>& list) {
  const auto size = static_cast<float>(list.size());
  for (float& value : places.values) {
    const float at = value < 0 ? value + size : value;
    if (!(at >= 0 && at < size) || at != std::floor(at)) {
      fail_at(node, detail::concat("reads place ", value, " of a table of ", list.size()));
    }
    value = list[static_cast<size_t>(at)];
  }
  places.places = false;
  return places;
}

void Importer::gather(const Node& node) {
  expect_io(node, 2);
  Attributes attributes(node);
  const int64_t axis = attributes.get_int("axis", 0);
  attributes.finish();
  if (constant(node, 0)) {
    Tensor from = tensor(node, 1);
    const Constant table = constants_.read(node, node.input(0));
    if (axis != 0 || table.dims.size() != 1) fail_at(node, "a table must be a list");
    if (table.is_float && from.kind == Kind::kFunction) {
      return set(node, looked_up(node, from, constants_.floats(node, node.input(0))));
    }
    if (from.kind != Kind::kIndex || table.is_float || table.dequantized()) {
      fail_at(node, "only a table of codes may be read by codes");
    }
    const CodeType type = code_type(node, table.type);
    const Activation a = activation(from.activation);
    from.values.clear();
    if (from.offsets.size() != 1 && std::ssize(from.offsets) != a.shape.channels) {
      fail_at(node, "expected one offset, or one a channel");
    }
    for (const int64_t offset : from.offsets) {
      if (offset < -kMostOffset || offset > kMostOffset) {
        fail_at(node, detail::concat("an offset of ", offset, " is behind the table's end"));
      }
      for (int code = a.min_code(); code <= a.max_code(); ++code) {
        int64_t at = code + offset;
        if (at < 0) at += std::ssize(table.integers);
        if (at < 0 || at >= std::ssize(table.integers)) {
          fail_at(node, detail::concat("code ", code, " reads behind the table's end"));
        }
        from.values.push_back(static_cast<float>(table.integers[static_cast<size_t>(at)]));
      }
    }
    from.kind = Kind::kFunction;
    const Quantization q{.bits = type.bits, .is_signed = type.is_signed};
    Tensor out = quantized_function(node, from, q, base_name(node.output(0)));
    activation(out.activation).scale = 0;  // until DequantizeLinear says it
    return set(node, out);
  }
  const Tensor from = tensor(node, 0);
  std::vector<int64_t> order = constants_.integers(node, required_input(node, 1));
  if (axis != 1 || from.dims.size() != 1 || from.channels_last) {
    fail_at(node, "is supported on flattened activations and constants only");
  }
  std::vector<int32_t> elements;
  for (int64_t i : order) {
    if (i < 0) i += from.dims[0];
    if (i < 0 || i >= from.dims[0]) fail_at(node, "reads an element that is not there");
    elements.push_back(static_cast<int32_t>(i));
  }
  if (elements.empty() || constants_.find(node.input(1))->dims.size() != 1) {
    fail_at(node, "its indices must be a list");
  }
  Tensor out = moved(node, from, {std::ssize(elements), 1, 1}, elements);
  out.dims = {std::ssize(elements)};
  note(node, "order of codes");
  set(node, out);
}

}  // namespace flatenn::interop
