#include <algorithm>
#include <numeric>

#include "flatenn/base/error.h"
#include "interop/float_reader.h"

/// Operators that only move or rename.
namespace flatenn::interop {
namespace {

int64_t product(std::vector<int64_t>::const_iterator first,
                std::vector<int64_t>::const_iterator last) {
  static constexpr int64_t kMost = int64_t{1} << 32;  // beyond what fits
  return std::accumulate(first, last, int64_t{1},
                         [](int64_t a, int64_t b) { return std::min(a * b, kMost); });
}

int64_t product(const std::vector<int64_t>& dims) { return product(dims.begin(), dims.end()); }

/// An axis of a tensor with `rank` dimensions behind the batch, as an index into them.
size_t inner_axis(const onnx::NodeProto& node, int64_t axis, size_t rank) {
  const int64_t at = axis < 0 ? axis + static_cast<int64_t>(rank) + 1 : axis;
  if (at < 1 || at > static_cast<int64_t>(rank)) {
    fail_at(node, detail::concat("axis ", axis, " is the batch or does not exist"));
  }
  return static_cast<size_t>(at - 1);
}

}  // namespace

void FloatReader::identity(const Node& node) {
  note(node, "nothing");
  if (node.op_type() == "Dropout" && node.output_size() == 2 && !node.output(1).empty()) {
    for (const Node& other : file_.node()) {
      const auto& reads = other.input();
      if (std::find(reads.begin(), reads.end(), node.output(1)) != reads.end()) {
        fail_at(node, "its mask is read");
      }
    }
  }
  set(node, value(node, 0));
}

void FloatReader::cast(const Node& node) {
  expect_io(node, 1);
  Attributes attributes(node);
  const int64_t to = attributes.get_int("to", 0);
  attributes.ignore("saturate");
  attributes.finish();
  if (to != onnx::TensorProto::FLOAT) {
    fail_at(node, detail::concat("a cast to ONNX type ", to, " is not supported"));
  }
  identity(node);
}

/// `dims` with the batch in front.
void FloatReader::reshape_to(const Node& node, std::vector<int64_t> dims) {
  Value from = value(node, 0);
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0) dims[i] = i == 0 ? batch_ : i <= from.dims.size() ? from.dims[i - 1] : 0;
  }
  const auto opens = std::count(dims.begin(), dims.end(), -1);
  const bool valid = dims.size() > 1 && opens <= 1 &&
                     std::all_of(dims.begin(), dims.end(),
                                 [](int64_t d) { return d == -1 || (d > 0 && d < (1 << 30)); });
  if (!valid) fail_at(node, "its shape is not one of a batch of images");
  const int64_t elements = product(from.dims);
  std::vector<int64_t> rest(dims.begin() + 1, dims.end());
  int64_t known = 1;
  for (const int64_t dim : rest) known = std::min(known * std::abs(dim), int64_t{1} << 31);
  for (int64_t& dim : rest) {
    if (dim == -1) dim = elements / known;
  }
  if (product(rest) != elements) {
    fail_at(node, detail::concat("a shape of ", product(rest), " elements an image does not fit ",
                                 elements));
  }
  from.dims = rest;
  note(node, "nothing");
  set(node, from);
}

void FloatReader::flatten(const Node& node) {
  expect_io(node, 1);
  Attributes attributes(node);
  const int64_t axis = attributes.get_int("axis", 1);
  attributes.finish();
  if (axis != 1 && axis != -std::ssize(value(node, 0).dims)) {
    fail_at(node, "only axis 1 is supported");
  }
  reshape_to(node, {batch_, -1});
}

void FloatReader::reshape(const Node& node) {
  expect_io(node, 2);
  Attributes attributes(node);
  const bool zeros = attributes.get_int("allowzero", 0) != 0;
  attributes.finish();
  const std::vector<int64_t> dims = constants_.integers(node, required_input(node, 1));
  if (zeros && std::find(dims.begin(), dims.end(), 0) != dims.end()) {
    fail_at(node, "an extent of 0 with allowzero is not supported");
  }
  reshape_to(node, dims);
}

/// Squeeze and Unsqueeze.
void FloatReader::squeeze(const Node& node) {
  expect_io(node, 2);
  Attributes attributes(node);
  std::vector<int64_t> axes = attributes.get_ints("axes", {});
  attributes.finish();
  if (!input_or_none(node, 1).empty()) axes = constants_.integers(node, node.input(1));
  Value from = value(node, 0);
  std::vector<int64_t>& dims = from.dims;
  const bool add = node.op_type() == "Unsqueeze";
  const size_t rank = dims.size() + (add ? axes.size() : 0);
  std::vector<size_t> places;
  for (const int64_t axis : axes) places.push_back(inner_axis(node, axis, rank));
  std::sort(places.begin(), places.end());
  if (add) {
    for (const size_t at : places) dims.insert(dims.begin() + static_cast<int64_t>(at), 1);
  } else if (axes.empty()) {
    std::erase(dims, 1);
  } else {
    for (size_t i = places.size(); i-- > 0;) {
      if (dims[places[i]] != 1) fail_at(node, "drops an extent other than 1");
      dims.erase(dims.begin() + static_cast<int64_t>(places[i]));
    }
  }
  if (dims.empty()) dims.push_back(1);
  note(node, "nothing");
  set(node, from);
}

/// Zeros around a plane that a convolution reads.
void FloatReader::pad(const Node& node) {
  expect_io(node, 4);
  Attributes attributes(node);
  const std::string mode = attributes.get_string("mode", "constant");
  std::vector<int64_t> pads = attributes.get_ints("pads", {});
  float value_of_pads = attributes.get_float("value", 0);
  attributes.finish();
  if (!input_or_none(node, 1).empty()) pads = constants_.integers(node, node.input(1));
  if (!input_or_none(node, 2).empty()) value_of_pads = constants_.scalar(node, node.input(2));
  if (!input_or_none(node, 3).empty()) fail_at(node, "axes are not supported");
  Value out = value(node, 0);
  const bool plane = pads.size() == 8 && pads[0] == 0 && pads[1] == 0 && pads[4] == 0 &&
                     pads[5] == 0 && out.dims.size() == 3;
  if (mode != "constant" || value_of_pads != 0 || !plane) {
    fail_at(node, "only zeros around a plane [N, C, H, W] are supported");
  }
  for (const int64_t extent : pads) {
    if (extent < 0 || extent > (1 << 15)) fail_at(node, "its pads must be in 0..32768");
  }
  note(node, "padding of the convolution behind it");
  if (pads == std::vector<int64_t>(8, 0)) return set(node, out);
  out.pads = {pads[2], pads[3], pads[6], pads[7]};
  out.dims[1] += pads[2] + pads[6];
  out.dims[2] += pads[3] + pads[7];
  set(node, out);
}

void FloatReader::transpose(const Node& node) {
  expect_io(node, 1);
  Attributes attributes(node);
  const Value from = value(node, 0);
  std::vector<int64_t> perm(from.dims.size() + 1);
  std::iota(perm.rbegin(), perm.rend(), 0);
  perm = attributes.get_ints("perm", perm);
  attributes.finish();
  std::vector<int64_t> sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  std::vector<int64_t> same(from.dims.size() + 1);
  std::iota(same.begin(), same.end(), 0);
  if (sorted != same || perm.front() != 0) {
    fail_at(node, "its order must be one of the dimensions with the batch first");
  }
  std::vector<int64_t> dims;
  for (size_t i = 1; i < perm.size(); ++i) {
    dims.push_back(from.dims[static_cast<size_t>(perm[i] - 1)]);
  }
  std::vector<int64_t> steps(from.dims.size(), 1);
  for (size_t i = steps.size(); i-- > 1;) steps[i - 1] = steps[i] * from.dims[i];
  std::vector<int32_t> order;
  std::vector<int64_t> at(dims.size(), 0);
  for (int64_t n = product(dims); n > 0; --n) {
    int64_t element = 0;
    for (size_t i = 0; i < at.size(); ++i) {
      element += at[i] * steps[static_cast<size_t>(perm[i + 1] - 1)];
    }
    order.push_back(static_cast<int32_t>(element));
    for (size_t i = at.size(); i-- > 0;) {
      if (++at[i] < dims[i]) break;
      at[i] = 0;
    }
  }
  note(node, "order of elements");
  if (std::is_sorted(order.begin(), order.end())) {
    return set(node, {.tensor = from.tensor, .dims = dims});
  }
  add(node, FloatKind::kMove, {from}, dims).order = std::move(order);
}

/// The indices first .. first + count - 1 of one axis.
void FloatReader::part(const Node& node, const Value& from, int64_t axis, int64_t first,
                       int64_t count, int output) {
  const size_t at = inner_axis(node, axis, from.dims.size());
  const int64_t extent = from.dims[at];
  if (first < 0 || count < 1 || first + count > extent) {
    fail_at(node, detail::concat("takes ", count, " from ", first, " of ", extent));
  }
  const auto middle = from.dims.begin() + static_cast<int64_t>(at);
  const int64_t outer = product(from.dims.begin(), middle);
  const int64_t inner = product(middle + 1, from.dims.end());
  std::vector<int64_t> dims = from.dims;
  dims[at] = count;
  std::vector<int32_t> order;
  for (int64_t i = 0; i < outer; ++i) {
    for (int64_t j = first * inner; j < (first + count) * inner; ++j) {
      order.push_back(static_cast<int32_t>(i * extent * inner + j));
    }
  }
  note(node, "part of the elements");
  add(node, FloatKind::kMove, {from}, dims, output).order = std::move(order);
}

void FloatReader::split(const Node& node) {
  expect_io(node, 2, 64);
  Attributes attributes(node);
  const int64_t axis = attributes.get_int("axis", 0);
  std::vector<int64_t> sizes = attributes.get_ints("split", {});
  const int64_t outputs = attributes.get_int("num_outputs", node.output_size());
  attributes.finish();
  const Value from = value(node, 0);
  if (!input_or_none(node, 1).empty()) sizes = constants_.integers(node, node.input(1));
  const int64_t extent = from.dims[inner_axis(node, axis, from.dims.size())];
  if (sizes.empty() && outputs > 0) {
    const int64_t each = (extent + outputs - 1) / outputs;
    for (int64_t i = 0; i < outputs; ++i) sizes.push_back(std::min(each, extent - i * each));
  }
  if (std::ssize(sizes) != node.output_size()) {
    fail_at(node,
            detail::concat("has ", node.output_size(), " outputs for ", sizes.size(), " parts"));
  }
  for (int64_t i = 0, first = 0; i < std::ssize(sizes); first += sizes[static_cast<size_t>(i++)]) {
    part(node, from, axis, first, sizes[static_cast<size_t>(i)], static_cast<int>(i));
  }
}

void FloatReader::slice(const Node& node) {
  expect_io(node, 5);
  Attributes attributes(node);
  std::vector<std::vector<int64_t>> lists;
  lists.push_back(attributes.get_ints("starts", {}));
  lists.push_back(attributes.get_ints("ends", {}));
  lists.push_back(attributes.get_ints("axes", {}));
  lists.emplace_back();
  attributes.finish();
  for (int i = 0; i < 4; ++i) {
    if (input_or_none(node, i + 1).empty()) continue;
    lists[static_cast<size_t>(i)] = constants_.integers(node, node.input(i + 1));
  }
  const Value from = value(node, 0);
  for (const auto& list : {lists[0], lists[1], lists[2]}) {
    if (list.size() != 1) fail_at(node, "is supported along one axis");
  }
  if (!lists[3].empty() && lists[3] != std::vector<int64_t>{1}) {
    fail_at(node, "is supported with steps of 1");
  }
  const int64_t extent = from.dims[inner_axis(node, lists[2][0], from.dims.size())];
  const auto bound = [&](int64_t at) {
    return std::clamp(at < 0 ? at + extent : at, int64_t{0}, extent);
  };
  const int64_t first = bound(lists[0][0]);
  part(node, from, lists[2][0], first, bound(lists[1][0]) - first, 0);
}

}  // namespace flatenn::interop
