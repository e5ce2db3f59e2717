#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "interop/onnx_constants.h"

namespace flatenn::interop {

/// The one input of a graph that is no constant.
struct ImageInput {
  std::string name;
  int type = 0;              ///< onnx::TensorProto::DataType.
  int64_t batch = 1;         ///< Images that the file takes at a time; 1 where it leaves that free.
  bool fixed_batch = false;  ///< The file says 1.
  std::vector<int64_t> dims;  ///< Without the batch: [features] or [C, H, W].
};
/// Throws Error where there is none or more than one, or where it is of other extents.
ImageInput image_input(const onnx::GraphProto& graph, const Constants& constants);

}  // namespace flatenn::interop
