#include <algorithm>

#include "flatenn/base/error.h"
#include "interop/tflite_importer.h"

/// What only moves, and lists of extents that the graph works out.
namespace flatenn::interop {
namespace {

constexpr int64_t kLongestList = 64;

}  // namespace

std::vector<int64_t> TfliteImporter::list_of(const Op& op, int64_t index, const char* what) {
  const auto found = lists_.find(index);
  if (found != lists_.end()) return found->second;
  const TfliteTensor& t = tensor(index);
  if (!t.constant || (t.type != tflite::TensorType_INT32 && t.type != tflite::TensorType_INT64)) {
    fail(op, std::string(what) + " " + t.name + " is not a constant of integers");
  }
  if (t.elements() > kLongestList) {
    fail(op, detail::concat(what, " ", t.name, " has ", t.elements(), " elements"));
  }
  std::vector<int64_t> result;
  for (int64_t i = 0; i < t.elements(); ++i) result.push_back(t.integer(i));
  return result;
}

std::vector<int64_t> TfliteImporter::integers(const Op& op, size_t index, const char* what) {
  input(op, index);
  return list_of(op, op.inputs[index], what);
}

/// The extents that the operator makes, with the batch; -1 for the one that is left open.
std::vector<int64_t> TfliteImporter::reshaped(const Op& op) {
  std::vector<int64_t> result = input(op, 0).dims;
  const auto rank = std::ssize(result);
  if (op.op == "EXPAND_DIMS") {
    const std::vector<int64_t> axis = integers(op, 1, "axis");
    const int64_t at = axis.size() != 1 ? -1 : axis[0] < 0 ? axis[0] + rank + 1 : axis[0];
    if (at < 1 || at > rank) fail(op, "its axis is not one behind the batch");
    result.insert(result.begin() + at, 1);
    return result;
  }
  if (op.op == "SQUEEZE") {
    const auto* options = op.table->builtin_options_as_SqueezeOptions();
    if (options == nullptr || options->squeeze_dims() == nullptr ||
        options->squeeze_dims()->size() == 0) {
      fail(op, "does not say which dimensions it drops, so that the batch may be one of them");
    }
    std::vector<bool> dropped(result.size(), false);
    for (const int32_t axis : *options->squeeze_dims()) {
      const int64_t at = axis < 0 ? axis + rank : axis;
      if (at < 1 || at >= rank || result[static_cast<size_t>(at)] != 1) {
        fail(op, detail::concat("drops dimension ", axis, ", which is not one of extent 1"));
      }
      dropped[static_cast<size_t>(at)] = true;
    }
    for (int64_t i = rank; i-- > 0;) {
      if (dropped[static_cast<size_t>(i)]) result.erase(result.begin() + i);
    }
    return result;
  }
  if (op.inputs.size() == 2 && op.inputs[1] >= 0) return integers(op, 1, "shape");
  const auto* options = op.table->builtin_options_as_ReshapeOptions();
  if (options == nullptr || options->new_shape() == nullptr) fail(op, "does not say its shape");
  return {options->new_shape()->begin(), options->new_shape()->end()};
}

/// RESHAPE, SQUEEZE, EXPAND_DIMS: the same elements in the same order.
void TfliteImporter::reshape(const Op& op) {
  expect_io(op, 1, 2);
  View from = view(op, 0);
  if (from.padded) fail(op, "reads what PAD made, which only convolutions and pools may");
  const std::vector<int64_t> dims = without_batch(output(op), op);
  if (plane_of(dims).elements() != plane_of(from.dims).elements()) {
    fail(op, detail::concat("makes ", plane_of(dims).elements(), " elements of ",
                            plane_of(from.dims).elements()));
  }
  const std::vector<int64_t> said = reshaped(op);
  const std::vector<int64_t>& full = output(op).dims;
  bool same = said.size() == full.size();
  for (size_t i = 0; same && i < said.size(); ++i) same = said[i] == full[i] || said[i] == -1;
  if (!same) fail(op, "says another shape than its output has");
  if (from.kind == Kind::kCodes) expect_same_codes(op, activation(from.activation));
  from.dims = dims;
  note(op, from.kind == Kind::kDropped ? "dropped" : "shape");
  set(op, std::move(from));
}

void TfliteImporter::transpose(const Op& op) {
  expect_io(op, 2, 2);
  const View from = codes(op, 0);
  const Activation& a = activation(from.activation);
  expect_same_codes(op, a);
  const std::vector<int64_t> axes = integers(op, 1, "order");
  const size_t rank = from.dims.size() + 1;
  std::vector<int64_t> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  bool valid = axes.size() == rank && axes[0] == 0;
  for (size_t i = 0; valid && i < rank; ++i) valid = sorted[i] == static_cast<int64_t>(i);
  if (!valid) fail(op, "its order is not one of all dimensions with the batch first");
  expect_movable(op, a.shape);

  std::vector<int64_t> strides(from.dims.size(), 1);  // of theirs
  for (size_t i = from.dims.size() - 1; i-- > 0;) strides[i] = strides[i + 1] * from.dims[i + 1];
  std::vector<int64_t> dims;
  std::vector<int64_t> steps;
  for (size_t i = 1; i < rank; ++i) {
    dims.push_back(from.dims[static_cast<size_t>(axes[i] - 1)]);
    steps.push_back(strides[static_cast<size_t>(axes[i] - 1)]);
  }
  const Shape shape = plane_of(dims);
  const auto step = [&](size_t from_last) {
    return from_last < steps.size() ? steps[steps.size() - 1 - from_last] : 0;
  };
  // plane_of puts rows before columns; with two dimensions there are rows alone.
  const int64_t step_c = step(0);
  const int64_t step_w = dims.size() == 3 ? step(1) : 0;
  const int64_t step_h = dims.size() == 3 ? step(2) : step(1);
  Layer layer{.name = {}, .kind = LayerKind::kMove, .src = from.activation};
  const Shape& old = a.shape;
  for (int64_t c = 0; c < shape.channels; ++c) {
    for (int64_t y = 0; y < shape.height; ++y) {
      for (int64_t x = 0; x < shape.width; ++x) {
        const int64_t at = c * step_c + y * step_h + x * step_w;
        layer.order.push_back(
            static_cast<int32_t>((at % old.channels) * old.height * old.width + at / old.channels));
      }
    }
  }
  Activation dst = described(op, output(op));
  dst.shape = shape;
  note(op, "move");
  append(op, std::move(layer), std::move(dst), std::move(dims));
}

/// Zeros around rows and columns, which the next layers take into their windows.
void TfliteImporter::pad(const Op& op) {
  expect_io(op, 2, 3);
  View from = aligned(op, 0);
  const Activation& a = activation(from.activation);
  expect_same_codes(op, a);
  if (op.inputs.size() == 3 && op.inputs[2] >= 0) {
    const TfliteTensor& value = constant(op, 2, "value");
    if (!value.is_codes() || value.elements() != 1 || value.integer(0) != a.zero_point) {
      fail(op, "pads with another value than zero, which is not supported");
    }
  }
  const std::vector<int64_t> amounts = integers(op, 1, "paddings");
  if (from.dims.size() != 3 || amounts.size() != 8) {
    fail(op, "expected paddings for batch, rows, columns and channels");
  }
  for (const int64_t amount : amounts) {
    if (amount < 0 || amount > 1 << 15) fail(op, detail::concat("pads by ", amount));
  }
  if (amounts[0] != 0 || amounts[1] != 0 || amounts[6] != 0 || amounts[7] != 0) {
    fail(op, "pads the batch or the channels, which is not supported");
  }
  from.pads.top = amounts[2];
  from.pads.bottom = amounts[3];
  from.pads.left = amounts[4];
  from.pads.right = amounts[5];
  from.padded = from.pads != Window{};
  from.dims[0] += amounts[2] + amounts[3];
  from.dims[1] += amounts[4] + amounts[5];
  note(op, "padding of the next layers");
  set(op, std::move(from));
}

void TfliteImporter::shape(const Op& op) {
  expect_io(op, 1, 1);
  std::vector<int64_t> dims{batch_};
  const View& from = view(op, 0);
  dims.insert(dims.end(), from.dims.begin(), from.dims.end());
  lists_[op.outputs[0]] = std::move(dims);
  note(op, "constant");
}

/// Of one list.
void TfliteImporter::strided_slice(const Op& op) {
  expect_io(op, 4, 4);
  const auto* options = op.table->builtin_options_as_StridedSliceOptions();
  if (options == nullptr) fail(op, "has no StridedSliceOptions");
  if (views_.contains(op.inputs[0])) fail(op, "slices an activation, which is not supported");
  const std::vector<int64_t> list = integers(op, 0, "list");
  const std::vector<int64_t> begin = integers(op, 1, "begin");
  const std::vector<int64_t> end = integers(op, 2, "end");
  const std::vector<int64_t> strides = integers(op, 3, "strides");
  if (begin.size() != 1 || end.size() != 1 || strides != std::vector<int64_t>{1} ||
      options->ellipsis_mask() != 0 || options->new_axis_mask() != 0 || options->offset()) {
    fail(op, "expected one plain range of a list");
  }
  const int64_t size = std::ssize(list);
  const auto place = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size);
  };
  const int64_t first = (options->begin_mask() & 1) != 0 ? 0 : place(begin[0]);
  int64_t last = (options->end_mask() & 1) != 0 ? size : place(end[0]);
  if ((options->shrink_axis_mask() & 1) != 0) last = first + 1;
  if (first >= last || last > size) fail(op, "takes nothing of its list");
  lists_[op.outputs[0]] = {list.begin() + first, list.begin() + last};
  note(op, "constant");
}

/// Single integers as a list.
void TfliteImporter::pack(const Op& op) {
  expect_io(op, 1, kLongestList);
  std::vector<int64_t> list;
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    const std::vector<int64_t> one = integers(op, i, "element");
    if (one.size() != 1) fail(op, "joins lists, expected single integers");
    list.push_back(one[0]);
  }
  lists_[op.outputs[0]] = std::move(list);
  note(op, "constant");
}

}  // namespace flatenn::interop
