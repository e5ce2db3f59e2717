#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "calibration/float_names.h"
#include "flatenn/data/image_set.h"

namespace flatenn::calibration {

class OneDnnProduct;

/// Runs a float graph on batches of images. Any number of threads may run it at once.
class FloatPass {
 public:
  enum class Products { kPlain, kOneDnn };
  /// For up to `batch` images a call. The graph must outlive it.
  FloatPass(const FloatGraph& graph, int64_t batch, Products products = Products::kOneDnn);
  ~FloatPass();

  /// Told of every tensor, [images, elements], once it is known and before it is read.
  using Visitor = std::function<void(int64_t tensor, std::span<const float> values)>;
  /// Images [count, CHW] as the network reads them, up to a batch; returns the logits, [count,
  /// classes].
  std::vector<float> run(std::vector<float> images, const Visitor& visit = {}) const;

  /// One operation on a whole batch of every tensor that it reads. Without skip and limits where
  /// `bare`.
  std::vector<float> run_op(size_t index, const std::vector<std::vector<float>>& tensors,
                            bool bare = false) const;

 private:
  const FloatGraph& graph_;
  int64_t batch_;
  std::vector<std::unique_ptr<OneDnnProduct>> products_;  ///< Of each operation that has one.
  std::vector<std::vector<int64_t>> last_read_;           ///< Tensors no later operation reads.
};

/// Images [first, first + count) as the network reads them, [count, CHW].
std::vector<float> float_images(const data::ImageSet& images, const net::ImageTransform& transform,
                                int64_t first, int64_t count);

/// Logits of all images, [count, classes].
std::vector<float> float_logits(const FloatGraph& graph, const data::ImageSet& images,
                                int64_t threads);

/// Runs all images, some at once, on `threads` threads: visit(first image, tensor, values), called
/// by several threads at a time.
using BatchVisitor =
    std::function<void(int64_t first, int64_t tensor, std::span<const float> values)>;
void visit_images(const FloatGraph& graph, const data::ImageSet& images, int64_t threads,
                  const BatchVisitor& visit);

}  // namespace flatenn::calibration
