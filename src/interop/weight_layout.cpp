#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"
#include "flatenn/interop/weight_names.h"

/// Weights of other libraries in our layout.
namespace flatenn::interop {
namespace {

std::string shape_of_weight(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t extent : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(extent);
  }
  return text + "]";
}

/// As Keras stores it.
std::vector<int64_t> last_shape(const std::vector<int64_t>& shape) {
  if (shape.size() == 4) return {shape[2], shape[3], shape[1], shape[0]};
  return {shape.rbegin(), shape.rend()};
}

/// [kh, kw, in, out] as [out, in, kh, kw].
std::vector<float> convolution(const std::vector<float>& from, const std::vector<int64_t>& shape) {
  std::vector<float> to(from.size());
  const int64_t out = shape[0];
  const int64_t in = shape[1];
  const int64_t plane = shape[2] * shape[3];
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t p = 0; p < plane; ++p) {
        to[static_cast<size_t>((o * in + i) * plane + p)] =
            from[static_cast<size_t>((p * in + i) * out + o)];
      }
    }
  }
  return to;
}

/// [in, out] as [out, in], inputs HWC as CHW.
std::vector<float> matrix(const std::vector<float>& from, const std::vector<int64_t>& shape,
                          const net::Shape& reads) {
  std::vector<float> to(from.size());
  const int64_t out = shape[0];
  const int64_t plane = reads.height * reads.width;
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t c = 0; c < reads.channels; ++c) {
      for (int64_t p = 0; p < plane; ++p) {
        to[static_cast<size_t>(o * shape[1] + c * plane + p)] =
            from[static_cast<size_t>((p * reads.channels + c) * out + o)];
      }
    }
  }
  return to;
}

const StoredTensor& stored(const TensorFile& file, const std::string& name) {
  const StoredTensor* tensor = file.find(name);
  FLATENN_CHECK(tensor != nullptr, "holds no tensor ", name);
  return *tensor;
}

std::vector<float> finite_floats(const StoredTensor& tensor) {
  std::vector<float> values = tensor.floats();
  FLATENN_CHECK(std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); }),
                "tensor ", tensor.name, ": holds a number that is not finite");
  return values;
}

std::vector<int64_t> shape_in(const NamedLayer& layer, const std::string& part) {
  if (part == "weight") return layer.weight_shape;
  return {layer.weight_shape.front()};
}

FloatTensor take(const NamedLayer& layer, const std::string& part, const WeightSource& source,
                 const TensorFile& file) {
  const StoredTensor& tensor = stored(file, source.theirs);
  FloatTensor result{.shape = shape_in(layer, part)};
  const bool turned = source.channels_last && result.shape.size() > 1;
  const std::vector<int64_t> expected = turned ? last_shape(result.shape) : result.shape;
  FLATENN_CHECK(tensor.shape == expected, "tensor ", source.theirs, ", for ", source.ours,
                ": expected shape ", shape_of_weight(expected), ", got ",
                shape_of_weight(tensor.shape));
  result.values = finite_floats(tensor);
  if (turned) {
    result.values = result.shape.size() == 4 ? convolution(result.values, result.shape)
                                             : matrix(result.values, result.shape, layer.reads);
  }
  if (source.bias.empty()) return result;
  const StoredTensor& bias = stored(file, source.bias);
  FLATENN_CHECK(bias.shape == result.shape, "tensor ", source.bias, ": expected shape ",
                shape_of_weight(result.shape), ", got ", shape_of_weight(bias.shape));
  const std::vector<float> values = finite_floats(bias);
  for (size_t i = 0; i < values.size(); ++i) result.values[i] -= values[i];
  return result;
}

}  // namespace

std::string to_text(const WeightSource& source) {
  std::string text = source.ours + " <- " + source.theirs;
  if (!source.bias.empty()) text += " - " + source.bias;
  return source.channels_last ? text + " (channels last)" : text;
}

std::map<std::string, FloatTensor> take_weights(const std::vector<NamedLayer>& layers,
                                                const TensorFile& file, const WeightNames& names,
                                                std::vector<std::string>* refused) {
  std::map<std::string, FloatTensor> result;
  for (const WeightSource& source : names.sources) {
    const size_t dot = source.ours.rfind('.');
    const auto layer = std::find_if(layers.begin(), layers.end(), [&](const NamedLayer& one) {
      return one.name == source.ours.substr(0, dot);
    });
    FLATENN_ASSERT(layer != layers.end(), source.ours, " belongs to no layer");
    try {
      result[source.ours] = take(*layer, source.ours.substr(dot + 1), source, file);
    } catch (const Error& error) {
      if (refused == nullptr) throw;
      refused->push_back(error.what());
    }
  }
  return result;
}

}  // namespace flatenn::interop
