#include "flatenn/analysis/landscape.h"

#include <fstream>
#include <sstream>

#include "flatenn/analysis/directions.h"
#include "flatenn/base/error.h"

namespace flatenn::analysis {
namespace {

constexpr const char* kHeader = "x,y,loss,accuracy";

torch::Tensor random_direction(const Surface& surface, uint64_t seed, uint64_t index) {
  const torch::Tensor weights = surface.weights();
  return filter_normalized(normal_direction(weights.numel(), seed, index).to(weights.device()),
                           weights, surface.shapes());
}

LandscapeAxes with_range(LandscapeAxes axes, double from, double to) {
  axes.from = from;
  axes.to = to;
  return axes;
}

double coordinate(const LandscapeAxes& axes, int64_t index, int64_t points) {
  return axes.from +
         (axes.to - axes.from) * static_cast<double>(index) / static_cast<double>(points - 1);
}

/// Points of an earlier, interrupted run; a last line without its end is dropped.
std::vector<SurfaceValue> read_finished(const std::filesystem::path& file,
                                        const std::string& identity) {
  std::vector<SurfaceValue> values;
  std::ifstream in(file);
  if (!in) return values;
  std::string line;
  std::getline(in, line);
  FLATENN_CHECK(line == "# " + identity, file.string(), ": holds another landscape (",
                line.empty() ? "empty file" : line.substr(2), "); expected ", identity,
                ". Give another --out or remove it");
  std::getline(in, line);
  while (std::getline(in, line) && !in.eof()) {
    std::istringstream fields(line);
    double x = 0, y = 0;
    SurfaceValue value;
    char comma = 0;
    if (!(fields >> x >> comma >> y >> comma >> value.loss >> comma >> value.accuracy)) break;
    values.push_back(value);
  }
  return values;
}

void write_point(std::ostream& out, const LandscapePoint& point) {
  out << point.x << ',' << point.y << ',' << point.value.loss << ',' << point.value.accuracy
      << '\n';
}

}  // namespace

std::vector<std::vector<int64_t>> DequantizedSurface::shapes() const {
  std::vector<std::vector<int64_t>> shapes;
  for (const torch::Tensor& weight : surface_.view().weights()) {
    shapes.push_back(weight.sizes().vec());
  }
  return shapes;
}

LandscapeAxes random_axes(const Surface& surface, uint64_t seed, const LandscapeOptions& options) {
  LandscapeAxes axes;
  axes.x = random_direction(surface, seed, 0);
  axes.x_name = detail::concat("random direction, seed ", seed);
  if (options.two_dimensional) {
    axes.y = random_direction(surface, seed, 1);
    axes.y_name = detail::concat("second random direction, seed ", seed);
  }
  return with_range(axes, -options.range, options.range);
}

LandscapeAxes ascent_axes(Surface& surface, uint64_t seed, const LandscapeOptions& options) {
  LandscapeAxes axes = random_axes(surface, seed, options);
  const torch::Tensor gradient = surface.gradient();
  FLATENN_CHECK(gradient.norm().item<double>() > 0,
                "landscape: the gradient is zero, there is no ascent direction");
  axes.x = filter_normalized(gradient, surface.weights(), surface.shapes());
  axes.x_name = "ascent direction";
  return axes;
}

LandscapeAxes path_axes(const Surface& surface, const torch::Tensor& other,
                        const std::string& other_name, const LandscapeOptions& options) {
  const torch::Tensor weights = surface.weights();
  FLATENN_CHECK(other.numel() == weights.numel(), "landscape: the layers of ", other_name,
                " do not match: ", other.numel(), " weights, expected ", weights.numel());
  LandscapeAxes axes;
  axes.x = other.to(weights.device()) - weights;
  FLATENN_CHECK(axes.x.norm().item<double>() > 0, "landscape: ", other_name,
                " has the same weights, there is no path");
  axes.x_name = "towards " + other_name;
  return with_range(axes, -options.range / 2, 1 + options.range / 2);
}

Landscape trace_landscape(Surface& surface, const LandscapeAxes& axes,
                          const LandscapeOptions& options, const std::filesystem::path& file,
                          const std::string& identity, const PointObserver& observer) {
  FLATENN_CHECK(options.points >= 3 && options.points % 2 == 1,
                "landscape: points must be odd and at least 3, got ", options.points);
  FLATENN_CHECK(options.range > 0, "landscape: range must be positive, got ", options.range);
  const std::vector<SurfaceValue> finished = read_finished(file, identity);
  const int64_t rows = axes.y.defined() ? options.points : 1;
  const int64_t total = rows * options.points;
  std::ofstream out(file, std::ios::trunc);
  FLATENN_CHECK(out, file.string(), ": cannot be written");
  out.precision(9);
  out << "# " << identity << '\n' << kHeader << '\n';
  Landscape landscape{.axes = axes, .points = {}};
  for (int64_t index = 0; index < total; ++index) {
    LandscapePoint point;
    point.x = coordinate(axes, index % options.points, options.points);
    point.y = axes.y.defined() ? coordinate(axes, index / options.points, options.points) : 0;
    if (index < static_cast<int64_t>(finished.size())) {
      point.value = finished[static_cast<size_t>(index)];
    } else {
      torch::Tensor move = axes.x * point.x;
      if (axes.y.defined()) move = move + axes.y * point.y;
      point.value = surface.at(move);
    }
    landscape.points.push_back(point);
    write_point(out, point);
    if (index >= static_cast<int64_t>(finished.size())) out.flush();
    FLATENN_CHECK(out, file.string(), ": write failed (disk full?)");
    if (observer) observer(index + 1, total);
  }
  return landscape;
}

}  // namespace flatenn::analysis
