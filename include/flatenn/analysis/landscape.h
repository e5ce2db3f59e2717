#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "flatenn/analysis/loss_surface.h"

namespace flatenn::analysis {

/// A loss that can be looked at anywhere in its weight space.
class Surface {
 public:
  virtual ~Surface() = default;
  virtual torch::Tensor weights() const = 0;  ///< Flat, at the origin.
  virtual std::vector<std::vector<int64_t>> shapes() const = 0;
  /// What else decides the model (biases, scales, batch norm), flat, in coordinates that may be
  /// interpolated; it moves along a path to another model alone. Empty: nothing.
  virtual torch::Tensor rest() const { return torch::empty({0}); }
  /// Value at weights() + move; a longer move goes on with that of rest().
  virtual SurfaceValue at(const torch::Tensor& move) = 0;
  virtual torch::Tensor gradient() = 0;  ///< At the origin, by weights(), flat.
};

/// Weights moved after quantization, off the grid, as faults move them.
class DequantizedSurface : public Surface {
 public:
  explicit DequantizedSurface(const LossSurface& surface) : surface_(surface) {}
  torch::Tensor weights() const override { return surface_.flat_weights(); }
  std::vector<std::vector<int64_t>> shapes() const override {
    return surface_.view().weight_shapes();
  }
  torch::Tensor rest() const override { return surface_.view().rest(); }
  SurfaceValue at(const torch::Tensor& move) override;
  torch::Tensor gradient() override { return surface_.gradient(surface_.zero_move()); }

 private:
  const LossSurface& surface_;
};

struct LandscapeOptions {
  int64_t points = 51;  ///< Along each axis, odd, so that the centre is a point.
  double range = 1;     ///< Coordinates run over [-range, range]; see path_axes() for a path.
  bool two_dimensional = false;
};

/// First and last coordinate along an axis.
struct Span {
  double from = -1;
  double to = 1;
};

/// Axes in weight space; y is undefined for a line.
struct LandscapeAxes {
  torch::Tensor x;
  torch::Tensor y;
  std::string x_name;  ///< "random direction, seed 0", "ascent direction", "towards other.onnx"
  std::string y_name;
  Span x_span;
  Span y_span;
};

/// Another model, where a path ends.
struct WeightPoint {
  std::string name;
  torch::Tensor weights, rest;               ///< As Surface::weights() and rest().
  std::vector<std::vector<int64_t>> shapes;  ///< As Surface::shapes().
};

/// Random filter-normalized directions (Li et al., arXiv:1712.09913), a function of the seed.
LandscapeAxes random_axes(const Surface& surface, uint64_t seed, const LandscapeOptions& options);
/// x along the surface's gradient (the direction in which SAQ perturbs), filter-normalized; y
/// random.
LandscapeAxes ascent_axes(Surface& surface, uint64_t seed, const LandscapeOptions& options);
/// Throws Error where the activations of two networks differ in shape or code range, so that no
/// path joins them.
void check_same_codes(const net::Network& start, const net::Network& other,
                      const std::string& other_name);
/// x from the surface's model (0) to `other` (1), weights and rest, over [-range / 2, 1 + range /
/// 2]; y random. Throws Error where a layer's shape differs or both are the same.
LandscapeAxes path_axes(const Surface& surface, const WeightPoint& other, uint64_t seed,
                        const LandscapeOptions& options);

struct LandscapePoint {
  double x = 0;
  double y = 0;
  SurfaceValue value;
};

struct Landscape {
  LandscapeAxes axes;
  std::vector<LandscapePoint> points;  ///< y slowest.
};

/// Throws Error for an even number of points or a range that is not positive.
void check(const LandscapeOptions& options);

using PointObserver = std::function<void(int64_t done, int64_t total)>;

/// Evaluates every point, appending each to `file` (CSV x,y,loss,accuracy, with all digits, under a
/// comment line that holds `identity`). Points already there under the same identity are not
/// computed again, and the result has the same bits; a file of another identity is an Error. What
/// `observer` throws ends the walk with every finished point in the file.
Landscape trace_landscape(Surface& surface, const LandscapeAxes& axes,
                          const LandscapeOptions& options, const std::filesystem::path& file,
                          const std::string& identity, const PointObserver& observer = {});

}  // namespace flatenn::analysis
