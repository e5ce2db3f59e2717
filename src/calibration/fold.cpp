#include "calibration/fold.h"

#include <algorithm>

#include "flatenn/base/error.h"

namespace flatenn::calibration {
namespace {

/// The list with one value a channel, or one where it has but one.
std::vector<float> filled(const std::vector<float>& list, size_t size, float empty) {
  if (list.empty()) return std::vector<float>(size, empty);
  return list.size() == 1 ? std::vector<float>(size, list.front()) : list;
}

/// Rewrites a graph step by step, until no step applies.
class Folder {
 public:
  explicit Folder(FloatGraph& graph) : graph_(graph) {}

  void run() {
    while (step()) {
    }
    drop_dead(graph_);
  }

 private:
  bool step() {
    drop_dead(graph_);
    writers_ = graph_.writers();
    readers_ = graph_.readers();
    for (size_t i = 0; i < graph_.ops.size(); ++i) {
      FloatOp& op = graph_.ops[i];
      if (into_image(op) || into_product(op) || limits_before(op) || into_function(op) ||
          into_own_input(op) || into_skip(op) || into_move(op) || same_order(op)) {
        return true;
      }
    }
    return false;
  }

  /// The operation that writes a tensor, where nothing else reads it; null otherwise.
  FloatOp* only_writer(int64_t tensor) {
    const int64_t writer = writers_[static_cast<size_t>(tensor)];
    if (writer < 0 || readers_[static_cast<size_t>(tensor)] != 1) return nullptr;
    return &graph_.ops[static_cast<size_t>(writer)];
  }

  /// `op` does nothing any more: its readers read `tensor`.
  void bypass(FloatOp& op, int64_t tensor) {
    for (FloatOp& other : graph_.ops) {
      std::replace(other.inputs.begin(), other.inputs.end(), op.output, tensor);
      if (other.skip == op.output) other.skip = tensor;
    }
    if (graph_.output == op.output) graph_.output = tensor;
  }

  /// `op` is done by the only writer of its input, which then writes its output.
  void merge(FloatOp& op, FloatOp& writer) {
    writer.output = op.output;
    op.output = spare();
  }

  /// A tensor that nothing reads.
  int64_t spare() {
    graph_.tensors.emplace_back();
    return std::ssize(graph_.tensors) - 1;
  }

  bool into_image(FloatOp& op) {
    if (!op.is_affine() || op.is_limited() || op.inputs[0] != 0 || readers_[0] != 1) return false;
    const auto size = static_cast<size_t>(graph_.input.channels);
    if (op.in != graph_.input) return false;
    const std::vector<float> factor = filled(op.factor, size, 1);
    const std::vector<float> shift = filled(op.shift, size, 0);
    net::ImageTransform& image = graph_.image;
    image.factor = filled(image.factor, size, 1);
    image.shift = filled(image.shift, size, 0);
    for (size_t c = 0; c < size; ++c) {
      image.factor[c] *= factor[c];
      image.shift[c] = image.shift[c] * factor[c] + shift[c];
    }
    bypass(op, 0);
    return true;
  }

  /// Factors and shifts of a product's outputs.
  bool into_product(FloatOp& op) {
    if (!op.is_affine() || op.only_limits()) return false;
    FloatOp* const product = only_writer(op.inputs[0]);
    if (product == nullptr || !product->multiplies() || product->is_limited() ||
        product->skip >= 0 || product->out != op.out) {
      return false;
    }
    FloatWeights& w = product->weights;
    const auto channels = static_cast<size_t>(w.out_channels);
    const std::vector<float> factor = filled(op.factor, channels, 1);
    const std::vector<float> shift = filled(op.shift, channels, 0);
    const auto each = static_cast<size_t>(w.fan_in());
    for (size_t c = 0; c < channels; ++c) {
      for (size_t i = c * each; i < (c + 1) * each; ++i) w.values[i] *= factor[c];
      w.bias[c] = w.bias[c] * factor[c] + shift[c];
    }
    product->low = op.low;
    product->high = op.high;
    merge(op, *product);
    return true;
  }

  /// Limits of an operation's outputs; they commute with what only chooses.
  bool limits_before(FloatOp& op) {
    if (!op.only_limits()) return false;
    if (!op.is_limited()) {
      bypass(op, op.inputs[0]);
      return true;
    }
    FloatOp* const writer = only_writer(op.inputs[0]);
    if (writer == nullptr || writer->kind == FloatKind::kConcat) return false;
    FloatOp* limited = writer;
    std::vector<int64_t> between;  // their values change
    while (limited->chooses()) {
      between.push_back(limited->inputs[0]);
      limited = only_writer(limited->inputs[0]);
      if (limited == nullptr || limited->kind == FloatKind::kConcat) return false;
    }
    for (const int64_t tensor : between) graph_.tensors[static_cast<size_t>(tensor)] += "_limited";
    limited->low = std::clamp(limited->low, op.low, op.high);
    limited->high = std::clamp(limited->high, op.low, op.high);
    merge(op, *writer);
    return true;
  }

  /// A function of a function.
  bool into_function(FloatOp& op) {
    if (op.kind != FloatKind::kFunction) return false;
    FloatOp* const first = only_writer(op.inputs[0]);
    if (first == nullptr || first->kind != FloatKind::kFunction || first->out != op.in) {
      return false;
    }
    if (op.before) return false;
    op.before = std::make_shared<const FloatOp>(*first);
    op.homogeneous = false;
    op.inputs = first->inputs;
    return true;
  }

  /// x * f(x).
  bool into_own_input(FloatOp& op) {
    if (op.kind != FloatKind::kMul) return false;
    for (size_t i = 0; i < 2; ++i) {
      FloatOp* const function = only_writer(op.inputs[i]);
      const int64_t other = op.inputs[1 - i];
      if (function == nullptr || function->kind != FloatKind::kFunction ||
          function->inputs[0] != other || function->out != op.out) {
        continue;
      }
      op.before = std::make_shared<const FloatOp>(*function);
      op.times_input = true;
      op.kind = FloatKind::kFunction;
      op.inputs = {other};
      return true;
    }
    return false;
  }

  /// A sum with what a product makes, where the other summand is there before it.
  bool into_skip(FloatOp& op) {
    if (op.kind != FloatKind::kAdd || op.inputs[0] == op.inputs[1]) return false;
    FloatOp* best = nullptr;
    int64_t skip = -1;
    for (size_t i = 0; i < 2; ++i) {
      FloatOp* const product = only_writer(op.inputs[i]);
      const int64_t other = op.inputs[1 - i];
      if (product == nullptr || !product->multiplies() || product->is_limited() ||
          product->skip >= 0 || product->out != op.out || !same_size(other, op) ||
          writers_[static_cast<size_t>(other)] >= writers_[static_cast<size_t>(op.inputs[i])]) {
        continue;
      }
      best = product;
      skip = other;
    }
    if (best == nullptr) return false;
    best->skip = skip;
    best->low = op.low;
    best->high = op.high;
    merge(op, *best);
    return true;
  }

  bool same_size(int64_t tensor, const FloatOp& op) const {
    const int64_t writer = writers_[static_cast<size_t>(tensor)];
    const net::Shape& shape =
        writer < 0 ? graph_.input : graph_.ops[static_cast<size_t>(writer)].out;
    return shape == op.out;
  }

  bool into_move(FloatOp& op) {
    if (op.kind != FloatKind::kMove) return false;
    const int64_t writer = writers_[static_cast<size_t>(op.inputs[0])];
    if (writer < 0) return false;
    const FloatOp& first = graph_.ops[static_cast<size_t>(writer)];
    if (first.kind != FloatKind::kMove || first.is_limited()) return false;
    for (int32_t& element : op.order) element = first.order[static_cast<size_t>(element)];
    op.inputs = first.inputs;
    op.in = first.in;
    return true;
  }

  /// A move that moves nothing.
  bool same_order(FloatOp& op) {
    if (op.kind != FloatKind::kMove || op.is_limited() || op.in.elements() != op.out.elements() ||
        !std::is_sorted(op.order.begin(), op.order.end()) || op.inputs[0] == graph_.output) {
      return false;
    }
    bypass(op, op.inputs[0]);
    return true;
  }

  FloatGraph& graph_;
  std::vector<int64_t> writers_;
  std::vector<int64_t> readers_;
};

}  // namespace

void fold(FloatGraph& graph) { Folder(graph).run(); }

void drop_dead(FloatGraph& graph) {
  std::vector<bool> needed(graph.tensors.size(), false);
  needed[static_cast<size_t>(graph.output)] = true;
  std::vector<FloatOp> kept;
  for (size_t i = graph.ops.size(); i-- > 0;) {
    FloatOp& op = graph.ops[i];
    if (!needed[static_cast<size_t>(op.output)]) continue;
    for (const int64_t tensor : op.reads()) needed[static_cast<size_t>(tensor)] = true;
    kept.push_back(std::move(op));
  }
  graph.ops.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
}

}  // namespace flatenn::calibration
