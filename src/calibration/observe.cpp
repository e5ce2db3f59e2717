#include "calibration/observe.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>

#include "calibration/float_pass.h"
#include "flatenn/base/error.h"

namespace flatenn::calibration {
namespace {

/// Of a forest of parents, whose root is the smallest member.
int64_t root_of(const std::vector<int64_t>& parents, int64_t tensor) {
  while (parents[static_cast<size_t>(tensor)] != tensor) {
    tensor = parents[static_cast<size_t>(tensor)];
  }
  return tensor;
}

/// Whether the tensor's values are new: made by an operation that does not merely choose.
std::vector<bool> made_tensors(const FloatGraph& graph) {
  std::vector<bool> made(graph.tensors.size(), false);
  made[0] = true;
  for (const FloatOp& op : graph.ops) {
    made[static_cast<size_t>(op.output)] = !op.chooses() || op.is_limited();
  }
  return made;
}

std::string writer_name(const FloatGraph& graph, int64_t tensor) {
  const int64_t writer = graph.writers()[static_cast<size_t>(tensor)];
  if (writer < 0) return "the image";
  const FloatOp& op = graph.ops[static_cast<size_t>(writer)];
  return "node " + op.name + " (" + op.type + ")";
}

/// One histogram a group, filled by several threads.
class Observer {
 public:
  Observer(const FloatGraph& graph, const std::vector<int64_t>& groups)
      : graph_(graph), groups_(groups), made_(made_tensors(graph)), ranges_(groups.size()) {}

  void find_ranges(const data::ImageSet& images, int64_t threads) {
    visit(images, threads, [this](int64_t first, int64_t tensor, std::span<const float> values) {
      Range range;
      for (const float value : values) {
        if (!std::isfinite(value)) fail(first, tensor, values);
        range.widen(value);
      }
      const std::lock_guard lock(mutex_);
      Range& whole = ranges_[group(tensor)];
      whole.widen(range.low);
      whole.widen(range.high);
    });
    for (const Range& range : ranges_) histograms_.emplace_back(range);
  }

  void count(const data::ImageSet& images, int64_t threads) {
    visit(images, threads, [this](int64_t, int64_t tensor, std::span<const float> values) {
      Histogram counts(ranges_[group(tensor)]);
      counts.add(values);
      const std::lock_guard lock(mutex_);
      histograms_[group(tensor)].add(counts);
    });
  }

  std::vector<Histogram> take() { return std::move(histograms_); }

 private:
  size_t group(int64_t tensor) const {
    return static_cast<size_t>(groups_[static_cast<size_t>(tensor)]);
  }

  template <typename Body>
  void visit(const data::ImageSet& images, int64_t threads, Body body) {
    visit_images(graph_, images, threads,
                 [&](int64_t first, int64_t tensor, std::span<const float> values) {
                   if (made_[static_cast<size_t>(tensor)]) body(first, tensor, values);
                 });
  }

  [[noreturn]] void fail(int64_t first, int64_t tensor, std::span<const float> values) const {
    const auto bad =
        std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
    const int64_t writer = graph_.writers()[static_cast<size_t>(tensor)];
    const int64_t elements = writer < 0 ? graph_.input.elements()
                                        : graph_.ops[static_cast<size_t>(writer)].out.elements();
    throw Error(detail::concat(writer_name(graph_, tensor), ": gives ", *bad, " for image ",
                               first + (bad - values.begin()) / elements,
                               " of the calibration, expected finite numbers"));
  }

  const FloatGraph& graph_;
  const std::vector<int64_t>& groups_;
  std::vector<bool> made_;
  std::vector<Range> ranges_;
  std::vector<Histogram> histograms_;
  std::mutex mutex_;
};

}  // namespace

std::vector<int64_t> code_groups(const FloatGraph& graph) {
  std::vector<int64_t> parents(graph.tensors.size());
  std::iota(parents.begin(), parents.end(), 0);
  for (const FloatOp& op : graph.ops) {
    if (!op.chooses()) continue;
    for (const int64_t input : op.inputs) {
      const int64_t a = root_of(parents, input);
      const int64_t b = root_of(parents, op.output);
      parents[static_cast<size_t>(std::max(a, b))] = std::min(a, b);
    }
  }
  for (size_t t = 0; t < parents.size(); ++t) {
    parents[t] = root_of(parents, static_cast<int64_t>(t));
  }
  return parents;
}

std::vector<Histogram> observe(const FloatGraph& graph, const std::vector<int64_t>& groups,
                               const data::ImageSet& images, bool counted, int64_t threads) {
  Observer observer(graph, groups);
  observer.find_ranges(images, threads);
  if (counted) observer.count(images, threads);
  return observer.take();
}

std::vector<Codes> choose_codes(const FloatGraph& graph, const data::ImageSet& images,
                                const CalibrationOptions& options) {
  constexpr int kImageBits = 8;
  const std::vector<int64_t> groups = code_groups(graph);
  const bool counted = options.method != RangeMethod::kMinMax;
  const std::vector<Histogram> values = observe(graph, groups, images, counted, options.threads);
  std::vector<Codes> result(groups.size());
  for (size_t t = 0; t < groups.size(); ++t) {
    const auto group = static_cast<size_t>(groups[t]);
    if (group != t) {
      result[t] = result[group];
    } else if (t == 0) {  // pixels are few and known: none is cut off
      const Range& range = values[t].range();
      result[t] = range.low < 0 ? cover_symmetric(range, kImageBits) : cover(range, kImageBits);
    } else {
      const Range range = choose_range(values[t], options, cover, options.activation_bits);
      result[t] = cover(range, options.activation_bits);
    }
  }
  return result;
}

}  // namespace flatenn::calibration
