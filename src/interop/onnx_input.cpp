#include "interop/onnx_input.h"

#include <algorithm>

#include "flatenn/base/error.h"

namespace flatenn::interop {
namespace {

constexpr int64_t kMostExtent = 1 << 16;
constexpr int64_t kMostBatch = 1 << 20;

const onnx::ValueInfoProto& only_input(const onnx::GraphProto& graph, const Constants& constants) {
  const onnx::ValueInfoProto* found = nullptr;
  for (const onnx::ValueInfoProto& input : graph.input()) {
    if (constants.find(input.name()) != nullptr) continue;
    FLATENN_CHECK(found == nullptr, "graph: has inputs ", found->name(), " and ", input.name(),
                  ", expected one");
    found = &input;
  }
  FLATENN_CHECK(found != nullptr, "graph: has no input");
  return *found;
}

}  // namespace

ImageInput image_input(const onnx::GraphProto& graph, const Constants& constants) {
  const onnx::ValueInfoProto& image = only_input(graph, constants);
  const auto& type = image.type().tensor_type();
  ImageInput input{.name = image.name(), .type = type.elem_type()};
  for (int i = 0; i < type.shape().dim_size(); ++i) {
    const int64_t extent = type.shape().dim(i).dim_value();
    if (i == 0) {
      input.batch = std::clamp<int64_t>(extent, 1, kMostBatch);
      input.fixed_batch = extent == 1;
    } else {
      input.dims.push_back(extent);
    }
  }
  const auto known = [](int64_t extent) { return extent > 0 && extent <= kMostExtent; };
  FLATENN_CHECK((input.dims.size() == 1 || input.dims.size() == 3) &&
                    std::all_of(input.dims.begin(), input.dims.end(), known),
                "graph: input ", input.name, " must be [N, features] or [N, C, H, W] with known ",
                "extents up to ", kMostExtent);
  return input;
}

}  // namespace flatenn::interop
