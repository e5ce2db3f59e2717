#include "flatenn/interop/float_graph.h"

#include <algorithm>

namespace flatenn::interop {

std::vector<int64_t> FloatOp::reads() const {
  std::vector<int64_t> all = inputs;
  if (skip >= 0) all.push_back(skip);
  return all;
}

int64_t FloatGraph::classes() const {
  const int64_t writer = writers()[static_cast<size_t>(output)];
  return writer < 0 ? input.elements() : ops[static_cast<size_t>(writer)].out.elements();
}

std::vector<int64_t> FloatGraph::writers() const {
  std::vector<int64_t> result(tensors.size(), -1);
  for (size_t i = 0; i < ops.size(); ++i) {
    result[static_cast<size_t>(ops[i].output)] = static_cast<int64_t>(i);
  }
  return result;
}

std::vector<int64_t> FloatGraph::readers() const {
  std::vector<int64_t> result(tensors.size(), 0);
  for (const FloatOp& op : ops) {
    for (const int64_t tensor : op.reads()) ++result[static_cast<size_t>(tensor)];
  }
  if (output >= 0) ++result[static_cast<size_t>(output)];
  return result;
}

float scaled(const FloatOp& op, int64_t channel, float x) {
  const auto pick = [&](const std::vector<float>& list) {
    return list[list.size() == 1 ? 0 : static_cast<size_t>(channel)];
  };
  if (!op.factor.empty()) x *= pick(op.factor);
  if (!op.shift.empty()) x += pick(op.shift);
  return x;
}

float apply(const FloatOp& op, int64_t channel, float x) {
  if (op.before) {
    const float before = apply(*op.before, channel, x);
    x = op.times_input ? before * x : before;
  }
  x = scaled(op, channel, x);
  if (op.function) x = op.function(x);
  return std::min(std::max(x, op.low), op.high);
}

}  // namespace flatenn::interop
