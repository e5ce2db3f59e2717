#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>

namespace flatenn::interop {

/// The model in a file's bytes; throws Error where they are no ONNX model, or one that uses
/// functions of its own.
onnx::ModelProto parse_onnx(const std::string& bytes);

/// Version of the standard operators; throws Error where it is not said or not supported.
int64_t read_opset(const onnx::ModelProto& model);

/// Whether an operator quantizes or computes on codes, by a part of its name.
bool is_quantized(const onnx::NodeProto& node);

/// The first node that multiplies with float weights, in a graph in which nothing is quantized;
/// null where something is.
const onnx::NodeProto* float_node(const onnx::GraphProto& graph);

}  // namespace flatenn::interop
