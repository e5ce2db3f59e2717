#include "interop/onnx_constants.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include "flatenn/base/error.h"
#include "interop/onnx_graph.h"
#include "interop/onnx_tensor.h"

namespace flatenn::interop {
namespace {

constexpr int64_t kMostConstants = int64_t{1} << 31;

int64_t elements_of(const std::vector<int64_t>& dims) {
  int64_t count = 1;
  for (const int64_t dim : dims) {
    FLATENN_CHECK(dim >= 0 && (dim == 0 || count <= kMostConstants / dim), "a tensor of ", dim,
                  " x ", count, " elements is too large");
    count *= dim;
  }
  return count;
}

bool is_external(const onnx::TensorProto& tensor) {
  return tensor.data_location() == onnx::TensorProto::EXTERNAL;
}

bool is_packed(int type) { return type == kInt4 || type == kUint4; }

/// The codes of a constant as `raw` has them; false where it has another number of them.
bool hold_bytes(Constant& c, const std::string& raw) {
  if (!c.is_narrow()) return false;
  const size_t most = raw.size() * 2;
  size_t count = 1;
  for (const int64_t dim : c.dims) {
    if (dim < 0 || (dim > 0 && count > most / static_cast<size_t>(dim))) return false;
    count *= static_cast<size_t>(dim);
  }
  const bool packed = is_packed(c.type);
  if (raw.size() != (packed ? (count + 1) / 2 : count)) return false;
  c.packed = packed;
  c.bytes = raw;
  return true;
}

/// Of the file or of a node, its values not read.
Constant stored_constant(const onnx::TensorProto& tensor) {
  Constant c{.dims = dims_of(tensor), .type = tensor.data_type(), .stored = &tensor};
  c.is_float = c.type == onnx::TensorProto::FLOAT || c.type == onnx::TensorProto::FLOAT16 ||
               c.type == onnx::TensorProto::DOUBLE;
  if (tensor.has_raw_data() && !is_external(tensor)) hold_bytes(c, tensor.raw_data());
  return c;
}

}  // namespace

int64_t Constant::elements() const { return elements_of(dims); }

bool Constant::is_narrow() const {
  return type == onnx::TensorProto::INT8 || type == onnx::TensorProto::UINT8 || is_packed(type);
}

int64_t Constant::integer_of_word(uint8_t word) const {
  int64_t value = word;
  if (type == onnx::TensorProto::INT8) value = static_cast<int8_t>(word);
  if (is_packed(type)) value = word & 15;
  if (type == kInt4 && value > 7) value -= 16;
  return low < high ? std::clamp(value, low, high) : value;
}

CodeType code_type(const onnx::NodeProto& node, int type) {
  switch (type) {
    case onnx::TensorProto::INT8:
      return {8, true};
    case onnx::TensorProto::UINT8:
      return {8, false};
    case kInt4:
      return {4, true};
    case kUint4:
      return {4, false};
    default:
      fail_at(node, detail::concat("codes of ONNX type ", type, " are not supported (expected ",
                                   "INT8, UINT8, INT4 or UINT4)"));
  }
}

int64_t normal_axis(const onnx::NodeProto& node, int64_t axis, size_t rank) {
  const auto dims = static_cast<int64_t>(rank);
  if (axis < -dims || axis >= std::max<int64_t>(dims, 1)) {
    fail_at(node, detail::concat("axis ", axis, " is outside ", dims, " dimensions"));
  }
  return axis < 0 ? axis + dims : axis;
}

std::vector<int64_t> normal_axes(const onnx::NodeProto& node, std::vector<int64_t> axes,
                                 size_t rank) {
  for (int64_t& axis : axes) axis = normal_axis(node, axis, rank);
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end()) {
    fail_at(node, "names an axis twice");
  }
  return axes;
}

int64_t whole_number(const onnx::NodeProto& node, const char* what, float value) {
  if (!(std::abs(value) <= 1e9F) || value != std::floor(value)) {
    fail_at(node,
            detail::concat(what, " of ", value, " is not supported (expected a whole number)"));
  }
  return static_cast<int64_t>(value);
}

int64_t quantize_value(float value, float scale, int64_t zero, int64_t low, int64_t high) {
  const float limit = 1e9F;
  const float code = std::nearbyint(std::clamp(value / scale, -limit, limit));
  return std::clamp(static_cast<int64_t>(code) + zero, low, high);
}

int64_t quant_value(float value, float scale, int64_t zero, int64_t low, int64_t high,
                    Rounding rounding) {
  const float limit = 1e9F;
  const float code = std::clamp(value / scale + static_cast<float>(zero), -limit, limit);
  return std::clamp(static_cast<int64_t>(rounded(code, rounding)), low, high);
}

Constants::Constants(const onnx::GraphProto& graph, std::filesystem::path folder, Extents extents)
    : folder_(std::move(folder)),
      extents_(std::move(extents)),
      use_(std::make_unique<Use>(Use{.budget = ReadBudget(graph.ByteSizeLong()), .outside = {}})) {
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    FLATENN_CHECK(values_.emplace(tensor.name(), stored_constant(tensor)).second, "initializer ",
                  tensor.name(), ": stands twice in the file");
  }
}

const Constant* Constants::find(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? nullptr : &found->second;
}

void Constants::spend(const onnx::NodeProto& node, int64_t values) const {
  if (!use_->budget.spend(values)) fail_at(node, ReadBudget::kExceeded);
}

Constant Constants::read(const onnx::NodeProto& node, const std::string& name) const {
  const Constant* found = find(name);
  if (found == nullptr) fail_at(node, name + " must be a constant");
  Constant c = *found;
  try {
    if (c.stored != nullptr || !c.bytes.empty()) load(c);
  } catch (const Error& error) {
    fail_at(node, error.what());
  }
  spend(node, std::ssize(c.floats) + std::ssize(c.integers));
  return c;
}

Constant Constants::codes(const onnx::NodeProto& node, const std::string& name) const {
  const Constant* found = find(name);
  if (found == nullptr) return read(node, name);
  if (!found->bytes.empty()) {
    spend(node, std::ssize(found->bytes));
    return *found;
  }
  if (found->is_narrow() && found->stored != nullptr && is_external(*found->stored)) {
    Constant c = *found;
    try {
      c.owner = std::make_shared<const std::string>(external_bytes(*c.stored));
    } catch (const Error& error) {
      fail_at(node, error.what());
    }
    if (hold_bytes(c, *c.owner)) {
      spend(node, std::ssize(c.bytes));
      return c;
    }
  }
  Constant c = read(node, name);
  if (!c.is_narrow()) return c;
  const std::vector<int64_t> integers = std::move(c.integers);
  c.fill(integers.size(), [&](size_t i) { return integers[i]; });
  return c;
}

void Constants::load(Constant& c) const {
  if (!c.bytes.empty()) {
    const auto count = static_cast<size_t>(c.elements());
    std::vector<int64_t> integers;
    integers.reserve(count);
    for (size_t i = 0; i < count; ++i) integers.push_back(c.integer(i));
    c.integers = std::move(integers);
    c.bytes = {};
    c.owner = nullptr;
    c.stored = nullptr;
    return;
  }
  onnx::TensorProto outside;
  const onnx::TensorProto* tensor = c.stored;
  if (is_external(*tensor)) {
    outside = *tensor;
    outside.clear_external_data();
    outside.set_data_location(onnx::TensorProto::DEFAULT);
    outside.set_raw_data(external_bytes(*tensor));
    tensor = &outside;
  }
  if (c.is_float) {
    c.floats = floats_of(*tensor);
  } else {
    c.integers = integers_of(*tensor);
  }
  c.stored = nullptr;
}

/// What a tensor's data are, in another file. Only files inside the model's folder are read.
std::string Constants::external_bytes(const onnx::TensorProto& tensor) const {
  std::map<std::string, std::string> entries;
  for (const auto& entry : tensor.external_data()) entries[entry.key()] = entry.value();
  const std::filesystem::path location = entries["location"];
  FLATENN_CHECK(location.native().find('\0') == std::string::npos, "tensor ", tensor.name(),
                ": no path holds a NUL character, as that of its data does");
  const std::filesystem::path path = std::filesystem::weakly_canonical(folder_ / location);
  const std::filesystem::path inside =
      path.lexically_relative(std::filesystem::weakly_canonical(folder_));
  FLATENN_CHECK(
      !location.empty() && location.is_relative() && !inside.empty() && *inside.begin() != "..",
      "tensor ", tensor.name(), ": its data lie at ", location.string(),
      ", outside the model's folder");
  FLATENN_CHECK(std::filesystem::is_regular_file(path), "tensor ", tensor.name(),
                ": its data file ", path.string(), " does not exist");
  const auto number = [&](const char* key, uint64_t fallback) {
    if (!entries.contains(key)) return fallback;
    const std::string& text = entries[key];
    FLATENN_CHECK(!text.empty() && text.size() < 19 &&
                      text.find_first_not_of("0123456789") == std::string::npos,
                  "tensor ", tensor.name(), ": external ", key, " is no number: ", text);
    return static_cast<uint64_t>(std::stoull(text));
  };
  const uint64_t size = std::filesystem::file_size(path);
  const uint64_t offset = number("offset", 0);
  FLATENN_CHECK(offset <= size, "tensor ", tensor.name(), ": offset ", offset,
                " is behind the end of ", path.string());
  const uint64_t length = number("length", size - offset);
  FLATENN_CHECK(length <= size - offset, "tensor ", tensor.name(), ": ", length,
                " bytes are more than ", path.string(), " holds");
  std::string bytes(length, '\0');
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(bytes.data(), static_cast<std::streamsize>(length));
  FLATENN_CHECK(file.good(), "tensor ", tensor.name(), ": cannot read ", path.string());
  if (use_->outside.insert(&tensor).second) use_->budget.more_file(bytes.size());
  return bytes;
}

std::vector<float> Constants::floats(const onnx::NodeProto& node, const std::string& name) const {
  Constant c = codes(node, name);
  if (c.dequantized()) {
    std::vector<float> values;
    int64_t inner = 1;
    for (size_t i = static_cast<size_t>(c.axis) + 1; i < c.dims.size(); ++i) inner *= c.dims[i];
    const auto count = static_cast<size_t>(c.elements());
    values.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      const size_t slice =
          c.scales.size() == 1
              ? 0
              : i / static_cast<size_t>(std::max<int64_t>(inner, 1)) % c.scales.size();
      const int64_t code = c.integer(i);
      const int64_t v = c.odd ? 2 * code + 1 : code - c.zero_points[slice];
      values.push_back(c.scales[slice] * static_cast<float>(v));
    }
    return values;
  }
  if (!c.is_float || c.type != onnx::TensorProto::FLOAT) {
    fail_at(node, name + " must be FLOAT");
  }
  return std::move(c.floats);
}

std::vector<float> Constants::float_list(const onnx::NodeProto& node,
                                         const std::string& name) const {
  std::vector<float> values = floats(node, name);
  if (find(name)->dims.size() > 1) fail_at(node, name + " must be one number or a list");
  return values;
}

std::vector<int64_t> Constants::index_list(const onnx::NodeProto& node,
                                           const std::string& name) const {
  std::vector<int64_t> values = integers(node, name);
  if (find(name)->dims.size() != 1 || find(name)->type != onnx::TensorProto::INT64) {
    fail_at(node, name + " must be a list of INT64");
  }
  return values;
}

std::vector<int64_t> Constants::integers(const onnx::NodeProto& node,
                                         const std::string& name) const {
  const Constant c = read(node, name);
  if (c.is_float || c.dequantized()) fail_at(node, name + " must hold integers");
  return c.integers;
}

float Constants::scalar(const onnx::NodeProto& node, const std::string& name) const {
  const std::vector<float> values = floats(node, name);
  if (values.size() != 1) {
    fail_at(node, detail::concat(name, " must be one number, got ", values.size()));
  }
  return values.front();
}

bool Constants::absorb(const onnx::NodeProto& node) {
  if (node.output_size() < 1) fail_at(node, "has no output");
  for (const std::string& output : node.output()) {
    if (!output.empty() && find(output) != nullptr) fail_exists(node, output);
  }
  if (node.op_type() != "Constant" && node.op_type() != "Shape") {
    if (node.input_size() == 0) return false;
    for (const std::string& input : node.input()) {
      if (!input.empty() && find(input) == nullptr) return false;
    }
  }
  if (node.op_type() == "Constant") {
    for (const onnx::AttributeProto& a : node.attribute()) {
      Constant c;
      if (a.name() == "value" && a.has_t()) {
        c = stored_constant(a.t());
      } else if (a.name() == "value_float") {
        c = {.is_float = true, .type = onnx::TensorProto::FLOAT, .floats = {a.f()}};
      } else if (a.name() == "value_floats") {
        c = {.dims = {a.floats_size()}, .is_float = true, .type = onnx::TensorProto::FLOAT};
        c.floats.assign(a.floats().begin(), a.floats().end());
      } else if (a.name() == "value_int") {
        c = {.type = onnx::TensorProto::INT64, .integers = {a.i()}};
      } else if (a.name() == "value_ints") {
        c = {.dims = {a.ints_size()}, .type = onnx::TensorProto::INT64};
        c.integers.assign(a.ints().begin(), a.ints().end());
      } else {
        fail_at(node, "attribute " + a.name() + " is not supported");
      }
      values_[node.output(0)] = std::move(c);
      return true;
    }
    fail_at(node, "holds no value");
  }
  values_[node.output(0)] = fold(node);
  return true;
}

}  // namespace flatenn::interop
