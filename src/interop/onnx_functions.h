#pragma once

#include <functional>

#include "interop/onnx_graph.h"

namespace flatenn::interop {

/// The function of one number that a node's operator and attributes say (LeakyRelu, Sigmoid, ...);
/// empty for other operators.
std::function<float(float)> unary_function(const onnx::NodeProto& node);

}  // namespace flatenn::interop
