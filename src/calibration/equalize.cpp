#include "calibration/equalize.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace flatenn::calibration {
namespace {

constexpr int kMostRounds = 40;
constexpr float kSmallChange = 1e-3F;

/// Two products, the second of which reads what the first one makes.
struct Pair {
  FloatOp* first = nullptr;
  FloatOp* second = nullptr;
};

/// f(s * x) = s * f(x) for s > 0, channel by channel.
bool is_homogeneous(const FloatOp& op) {
  const bool limits = (op.low == 0 || op.low == -INFINITY) && op.high == INFINITY;
  if (!limits) return false;
  if (op.kind == FloatKind::kMaxPool || op.kind == FloatKind::kAvgPool) {
    return op.in.channels == op.out.channels;
  }
  return op.kind == FloatKind::kFunction && op.factor.empty() && op.shift.empty() && !op.before &&
         (!op.function || op.homogeneous);
}

/// The only operation that reads a tensor, and as its first input; null otherwise.
FloatOp* only_reader(FloatGraph& graph, int64_t tensor) {
  FloatOp* found = nullptr;
  if (tensor == graph.output) return nullptr;
  for (FloatOp& op : graph.ops) {
    for (const int64_t read : op.reads()) {
      if (read != tensor) continue;
      if (found != nullptr) return nullptr;
      found = &op;
    }
  }
  const bool as_skip = found != nullptr && found->skip == tensor;
  return as_skip ? nullptr : found;
}

std::optional<Pair> pair_of(FloatGraph& graph, FloatOp& first) {
  const bool positive = (first.low == 0 || first.low == -INFINITY) && first.high == INFINITY;
  if (!first.multiplies() || first.skip >= 0 || !positive) return {};
  const FloatOp* last = &first;
  FloatOp* next = only_reader(graph, first.output);
  while (next != nullptr && is_homogeneous(*next) && next->in == last->out) {
    last = next;
    next = only_reader(graph, next->output);
  }
  if (next == nullptr || !next->multiplies()) return {};
  const bool fits = next->kind == FloatKind::kConv
                        ? next->in == last->out
                        : next->weights.in_channels == last->out.elements();
  if (!fits) return {};
  return Pair{.first = &first, .second = next};
}

/// The weights of a product that read input channel `channel` of `channels`, one after another.
template <typename Body>
void for_input_channel(FloatOp& op, int64_t channel, int64_t channels, Body body) {
  FloatWeights& w = op.weights;
  const int64_t per_group = op.kind == FloatKind::kConv ? w.in_channels : channels;
  const int64_t group = channel / per_group;
  const int64_t filters = w.out_channels / op.groups;
  const int64_t each = w.fan_in() / per_group;
  for (int64_t f = group * filters; f < (group + 1) * filters; ++f) {
    const int64_t at = f * w.fan_in() + channel % per_group * each;
    for (int64_t i = at; i < at + each; ++i) body(w.values[static_cast<size_t>(i)]);
  }
}

/// Returns the largest change of a factor from 1.
float equalize(const Pair& pair) {
  FloatWeights& w = pair.first->weights;
  const int64_t each = w.fan_in();
  float change = 0;
  for (int64_t c = 0; c < w.out_channels; ++c) {
    float first = 0;
    float second = 0;
    for (int64_t i = c * each; i < (c + 1) * each; ++i) {
      first = std::max(first, std::abs(w.values[static_cast<size_t>(i)]));
    }
    for_input_channel(*pair.second, c, w.out_channels,
                      [&](float value) { second = std::max(second, std::abs(value)); });
    const float factor = std::sqrt(second / first);
    if (!(first > 0) || !(second > 0) || !std::isnormal(factor)) continue;
    for (int64_t i = c * each; i < (c + 1) * each; ++i) w.values[static_cast<size_t>(i)] *= factor;
    w.bias[static_cast<size_t>(c)] *= factor;
    for_input_channel(*pair.second, c, w.out_channels, [&](float& value) { value /= factor; });
    change = std::max(change, std::abs(factor - 1));
  }
  return change;
}

}  // namespace

int64_t equalize(FloatGraph& graph) {
  std::vector<Pair> pairs;
  for (FloatOp& op : graph.ops) {
    if (const std::optional<Pair> pair = pair_of(graph, op)) pairs.push_back(*pair);
  }
  for (int round = 0; round < kMostRounds; ++round) {
    float change = 0;
    for (const Pair& pair : pairs) change = std::max(change, equalize(pair));
    if (change < kSmallChange) break;
  }
  return std::ssize(pairs);
}

}  // namespace flatenn::calibration
