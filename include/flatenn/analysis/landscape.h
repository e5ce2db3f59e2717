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
  virtual SurfaceValue at(const torch::Tensor& move) = 0;  ///< Value at weights() + move.
  virtual torch::Tensor gradient() = 0;                    ///< At the origin, flat.
};

/// Weights moved after quantization, off the grid, as faults move them.
class DequantizedSurface : public Surface {
 public:
  explicit DequantizedSurface(const LossSurface& surface) : surface_(surface) {}
  torch::Tensor weights() const override { return surface_.flat_weights(); }
  std::vector<std::vector<int64_t>> shapes() const override;
  SurfaceValue at(const torch::Tensor& move) override { return surface_.value(move); }
  torch::Tensor gradient() override { return surface_.gradient(surface_.zero_move()); }

 private:
  const LossSurface& surface_;
};

struct LandscapeOptions {
  int64_t points = 51;  ///< Along each axis, odd, so that the centre is a point.
  double range = 1;     ///< Coordinates run over [-range, range] ([from, to] for a line).
  bool two_dimensional = false;
};

/// Axes in weight space; y is undefined for a line.
struct LandscapeAxes {
  torch::Tensor x;
  torch::Tensor y;
  std::string x_name;  ///< "random 0", "ascent", "towards other.onnx"
  std::string y_name;
  double from = -1;  ///< First coordinate.
  double to = 1;     ///< Last coordinate.
};

/// Random filter-normalized directions (Li et al., arXiv:1712.09913), a function of the seed.
LandscapeAxes random_axes(const Surface& surface, uint64_t seed, const LandscapeOptions& options);
/// x along the surface's gradient (the direction in which SAQ perturbs), filter-normalized; y
/// random.
LandscapeAxes ascent_axes(Surface& surface, uint64_t seed, const LandscapeOptions& options);
/// x from the surface's weights (0) to `other` (1), over [-range / 2, 1 + range / 2]. Throws Error
/// where the sizes differ or both are the same.
LandscapeAxes path_axes(const Surface& surface, const torch::Tensor& other,
                        const std::string& other_name, const LandscapeOptions& options);

struct LandscapePoint {
  double x = 0;
  double y = 0;
  SurfaceValue value;
};

struct Landscape {
  LandscapeAxes axes;
  std::vector<LandscapePoint> points;  ///< y slowest.
};

using PointObserver = std::function<void(int64_t done, int64_t total)>;

/// Evaluates every point, appending each to `file` (CSV x,y,loss,accuracy under a comment line that
/// holds `identity`). Points already there under the same identity are not computed again; a file
/// of another identity is an Error.
Landscape trace_landscape(Surface& surface, const LandscapeAxes& axes,
                          const LandscapeOptions& options, const std::filesystem::path& file,
                          const std::string& identity, const PointObserver& observer = {});

}  // namespace flatenn::analysis
