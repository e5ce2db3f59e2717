#include "calibration/bias_correction.h"

#include <algorithm>
#include <cmath>

#include "calibration/element_ops.h"
#include "calibration/float_pass.h"
#include "calibration/one_thread.h"
#include "flatenn/base/parallel.h"

namespace flatenn::calibration {
namespace {

constexpr int64_t kMostImages = 256;
constexpr int64_t kMostBytes = int64_t{512} << 20;

using Tensors = std::vector<std::vector<float>>;

int64_t elements_of(const FloatGraph& graph, int64_t tensor, const std::vector<int64_t>& writers) {
  const int64_t writer = writers[static_cast<size_t>(tensor)];
  return writer < 0 ? graph.input.elements()
                    : graph.ops[static_cast<size_t>(writer)].out.elements();
}

/// The most values of one image that are needed at one time.
int64_t live_elements(const FloatGraph& graph) {
  const std::vector<int64_t> writers = graph.writers();
  std::vector<int64_t> left(graph.tensors.size(), 0);
  for (const FloatOp& op : graph.ops) {
    for (const int64_t tensor : op.reads()) ++left[static_cast<size_t>(tensor)];
  }
  int64_t live = graph.input.elements();
  int64_t most = live;
  for (const FloatOp& op : graph.ops) {
    live += op.out.elements();
    most = std::max(most, live);
    for (const int64_t tensor : op.reads()) {
      if (--left[static_cast<size_t>(tensor)] == 0) live -= elements_of(graph, tensor, writers);
    }
  }
  return most;
}

int64_t image_count(const FloatGraph& graph, int64_t images) {
  const int64_t bytes = 2 * static_cast<int64_t>(sizeof(float)) * live_elements(graph);
  return std::min(images, std::clamp<int64_t>(kMostBytes / bytes, 1, kMostImages));
}

/// Both graphs on the same images, operation by operation, all images before the next one.
class Walk {
 public:
  Walk(const FloatGraph& graph, const QuantizedGraph& quantized, const data::ImageSet& images,
       int64_t threads)
      : graph_(graph),
        quantized_(quantized),
        threads_(resolve_threads(threads)),
        count_(image_count(graph, images.count)),
        real_pass_(graph, 1),
        quantized_pass_(quantized.graph, 1),
        real_(static_cast<size_t>(count_), Tensors(graph.tensors.size())),
        rounded_(real_) {
    for (size_t i = 0; i < real_.size(); ++i) {
      real_[i][0] = rounded_[i][0] = float_images(images, graph.image, static_cast<int64_t>(i), 1);
      round(0, rounded_[i][0]);
    }
  }

  int64_t images() const { return count_; }

  /// Runs one operation; returns the mean error of each output channel of a product, which is taken
  /// out of the quantized outputs where `correct`.
  std::vector<double> step(size_t index, bool correct) {
    const FloatOp& op = graph_.ops[index];
    std::vector<std::vector<double>> errors(static_cast<size_t>(count_));
    each_image([&](size_t i) {
      real_[i][out(op)] = real_pass_.run_op(index, real_[i], true);
      rounded_[i][out(op)] = quantized_pass_.run_op(index, rounded_[i], true);
      if (op.multiplies()) errors[i] = channel_errors(op, i);
    });
    const std::vector<double> mean = op.multiplies() ? mean_of(errors) : std::vector<double>{};
    each_image([&](size_t i) {
      if (correct && op.multiplies()) shift(op, mean, rounded_[i][out(op)]);
      finish(op, real_[i]);
      finish(op, rounded_[i]);
      round(op.output, rounded_[i][out(op)]);
    });
    return mean;
  }

  /// Forgets tensors that only operations up to this one read.
  void forget(size_t index) {
    for (const int64_t tensor : graph_.ops[index].reads()) {
      if (is_read_after(tensor, index)) continue;
      for (Tensors* const tensors : {real_.data(), rounded_.data()}) {
        for (int64_t i = 0; i < count_; ++i) tensors[i][static_cast<size_t>(tensor)] = {};
      }
    }
  }

 private:
  static size_t out(const FloatOp& op) { return static_cast<size_t>(op.output); }

  template <typename Body>
  void each_image(Body body) {
    parallel_for(count_, threads_, [&](int64_t i) {
      const OneOpenMpThread one;
      body(static_cast<size_t>(i));
    });
  }

  bool is_read_after(int64_t tensor, size_t index) const {
    for (size_t i = index + 1; i < graph_.ops.size(); ++i) {
      const std::vector<int64_t> reads = graph_.ops[i].reads();
      if (std::find(reads.begin(), reads.end(), tensor) != reads.end()) return true;
    }
    return false;
  }

  void round(int64_t tensor, std::vector<float>& values) const {
    if (!quantized_.rounds[static_cast<size_t>(tensor)]) return;
    const Codes& codes = quantized_.codes[static_cast<size_t>(tensor)];
    for (float& value : values) value = codes.quantized(value);
  }

  static void finish(const FloatOp& op, Tensors& tensors) {
    std::span<const float> skip;
    if (op.skip >= 0) skip = tensors[static_cast<size_t>(op.skip)];
    finish_op(op, skip, tensors[out(op)]);
  }

  /// Sums over the plane of each channel, with the skips.
  std::vector<double> channel_errors(const FloatOp& op, size_t image) const {
    const auto plane = static_cast<size_t>(op.out.height * op.out.width);
    std::vector<double> result(static_cast<size_t>(op.out.channels), 0);
    const auto add = [&](const std::vector<float>& values, double sign) {
      for (size_t i = 0; i < values.size(); ++i) {
        result[i / plane] += sign * static_cast<double>(values[i]) / static_cast<double>(plane);
      }
    };
    add(real_[image][out(op)], 1);
    add(rounded_[image][out(op)], -1);
    if (op.skip >= 0) {
      add(real_[image][static_cast<size_t>(op.skip)], 1);
      add(rounded_[image][static_cast<size_t>(op.skip)], -1);
    }
    return result;
  }

  std::vector<double> mean_of(const std::vector<std::vector<double>>& errors) const {
    std::vector<double> mean(errors.front().size(), 0);
    for (const std::vector<double>& one : errors) {
      for (size_t c = 0; c < mean.size(); ++c) mean[c] += one[c] / static_cast<double>(count_);
    }
    return mean;
  }

  static void shift(const FloatOp& op, const std::vector<double>& mean,
                    std::vector<float>& values) {
    const auto plane = static_cast<size_t>(op.out.height * op.out.width);
    for (size_t i = 0; i < values.size(); ++i) values[i] += static_cast<float>(mean[i / plane]);
  }

  const FloatGraph& graph_;
  const QuantizedGraph& quantized_;
  int64_t threads_;
  int64_t count_;
  FloatPass real_pass_;
  FloatPass quantized_pass_;
  std::vector<Tensors> real_;     ///< Of each image.
  std::vector<Tensors> rounded_;  ///< Likewise.
};

}  // namespace

double mean_error(const FloatGraph& graph, const QuantizedGraph& quantized,
                  const data::ImageSet& images, int64_t threads) {
  Walk walk(graph, quantized, images, threads);
  double sum = 0;
  int64_t channels = 0;
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    for (const double error : walk.step(i, false)) {
      sum += std::abs(error);
      ++channels;
    }
    walk.forget(i);
  }
  return sum / static_cast<double>(std::max<int64_t>(channels, 1));
}

int64_t correct_biases(const FloatGraph& graph, QuantizedGraph& quantized,
                       const data::ImageSet& images, int64_t threads) {
  Walk walk(graph, quantized, images, threads);
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    const std::vector<double> errors = walk.step(i, true);
    std::vector<float>& bias = quantized.graph.ops[i].weights.bias;
    for (size_t c = 0; c < errors.size(); ++c) bias[c] += static_cast<float>(errors[c]);
    walk.forget(i);
  }
  return walk.images();
}

}  // namespace flatenn::calibration
