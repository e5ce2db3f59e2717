#include "flatenn/analysis/landscape.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "flatenn/analysis/directions.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"

namespace flatenn::analysis {
namespace {

constexpr const char* kHeader = "x,y,loss,accuracy";

torch::Tensor random_direction(const Surface& surface, uint64_t seed, uint64_t index) {
  const torch::Tensor weights = surface.weights();
  return filter_normalized(normal_direction(weights.numel(), seed, index).to(weights.device()),
                           weights, surface.shapes());
}

double coordinate(const Span& span, int64_t index, int64_t points) {
  return span.from +
         (span.to - span.from) * static_cast<double>(index) / static_cast<double>(points - 1);
}

/// As few digits as bring back the same double.
std::string digits(double value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

bool read_point(const std::string& line, SurfaceValue& value) {
  std::istringstream fields(line);
  double x = 0, y = 0;
  char comma = 0;
  return static_cast<bool>(fields >> x >> comma >> y >> comma >> value.loss >> comma >>
                           value.accuracy);
}

/// What tells two identities apart, "" where they mean the same landscape: that is known of the
/// other end of a path by its weights, wherever its file lies.
std::string difference_of(const std::string& stored, const std::string& now) {
  const auto parse = [](const std::string& text) {
    return nlohmann::json::parse(text, nullptr, false);
  };
  const nlohmann::json there = parse(stored), here = parse(now);
  if (!there.is_object() || !here.is_object()) return stored == now ? "" : "no settings of one";
  nlohmann::json keys = there;
  keys.update(here);
  for (const auto& item : keys.items()) {
    if (item.key() == "towards" && keys.contains("towards_hash")) continue;
    const nlohmann::json before = there.value(item.key(), nlohmann::json());
    const nlohmann::json after = here.value(item.key(), nlohmann::json());
    if (before != after) return item.key() + " " + before.dump() + ", now " + after.dump();
  }
  return "";
}

/// The file of a landscape: points of an earlier, interrupted run, then new ones.
class PointFile {
 public:
  PointFile(const std::filesystem::path& path, const std::string& identity) : path_(path) {
    std::string content = "# " + identity + "\n" + kHeader + "\n";
    read_finished(identity, content);
    write_file_atomically(path_, content);  // without a line that was cut short
    out_.open(path_, std::ios::app);
    FLATENN_CHECK(out_, path_.string(), ": cannot be written");
  }

  const std::vector<SurfaceValue>& finished() const { return finished_; }

  void append(const LandscapePoint& point) {
    out_ << digits(point.x) << ',' << digits(point.y) << ',' << digits(point.value.loss) << ','
         << digits(point.value.accuracy) << std::endl;
    FLATENN_CHECK(out_, path_.string(), ": write failed (disk full?)");
  }

 private:
  /// Adds the lines of whole points to `content`.
  void read_finished(const std::string& identity, std::string& content) {
    std::ifstream in(path_);
    if (!in) return;
    std::string line;
    std::getline(in, line);
    const std::string difference =
        difference_of(line.substr(std::min<size_t>(2, line.size())), identity);
    FLATENN_CHECK(difference.empty(), path_.string(), ": holds another landscape (", difference,
                  "); give another --out or remove it");
    std::getline(in, line);
    SurfaceValue value;
    while (std::getline(in, line) && !in.eof() && read_point(line, value)) {
      finished_.push_back(value);
      content += line + "\n";
    }
  }

  std::filesystem::path path_;
  std::vector<SurfaceValue> finished_;
  std::ofstream out_;
};

torch::Tensor move_to(const LandscapeAxes& axes, const LandscapePoint& point) {
  const torch::Tensor along_x = axes.x * point.x;
  return axes.y.defined() ? along_x + axes.y * point.y : along_x;
}

void add_random_y(const Surface& surface, uint64_t seed, const LandscapeOptions& options,
                  LandscapeAxes& axes) {
  axes.y_span = {-options.range, options.range};
  if (!options.two_dimensional) return;
  axes.y = random_direction(surface, seed, 1);
  axes.y_name = detail::concat("second random direction, seed ", seed);
}

void check_shapes(const Surface& surface, const WeightPoint& other) {
  const auto expected = surface.shapes();
  FLATENN_CHECK(other.shapes.size() == expected.size(), "landscape: the layers of ", other.name,
                " do not match: ", other.shapes.size(), " with weights, expected ",
                expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    FLATENN_CHECK(other.shapes[i] == expected[i], "landscape: the layers of ", other.name,
                  " do not match: layer ", i + 1, " has weights of shape ",
                  torch::IntArrayRef(other.shapes[i]), ", expected ",
                  torch::IntArrayRef(expected[i]));
  }
  FLATENN_CHECK(other.rest.numel() == surface.rest().numel(), "landscape: the layers of ",
                other.name, " do not match: biases, scales or batch norm of another number");
}

}  // namespace

SurfaceValue DequantizedSurface::at(const torch::Tensor& move) {
  const int64_t weights = surface_.view().parameter_count();
  if (move.numel() == weights) return surface_.value(move);
  return surface_.with_view(surface_.view().with_rest(rest() + move.slice(0, weights)))
      .value(move.slice(0, 0, weights));
}

LandscapeAxes random_axes(const Surface& surface, uint64_t seed, const LandscapeOptions& options) {
  LandscapeAxes axes;
  axes.x = random_direction(surface, seed, 0);
  axes.x_name = detail::concat("random direction, seed ", seed);
  axes.x_span = {-options.range, options.range};
  add_random_y(surface, seed, options, axes);
  return axes;
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

void check_same_codes(const net::Network& start, const net::Network& other,
                      const std::string& other_name) {
  FLATENN_CHECK(other.activations.size() == start.activations.size(), "landscape: the layers of ",
                other_name, " do not match: ", other.activations.size(), " activations, expected ",
                start.activations.size());
  for (size_t i = 0; i < start.activations.size(); ++i) {
    const net::Activation& a = start.activations[i];
    const net::Activation& b = other.activations[i];
    FLATENN_CHECK(b.shape == a.shape && b.is_float == a.is_float, "landscape: the layers of ",
                  other_name, " do not match: activation ", b.name, " has another shape than ",
                  a.name);
    FLATENN_CHECK(b.is_float || (b.min_code() == a.min_code() && b.max_code() == a.max_code()),
                  "landscape: the layers of ", other_name, " do not match: activation ", b.name,
                  " has ", b.bits, " bits, expected ", a.bits);
  }
}

LandscapeAxes path_axes(const Surface& surface, const WeightPoint& other, uint64_t seed,
                        const LandscapeOptions& options) {
  check_shapes(surface, other);
  const torch::Tensor weights = surface.weights(), rest = surface.rest();
  LandscapeAxes axes;
  axes.x = torch::cat(
      {other.weights.to(weights.device()) - weights, other.rest.to(rest.device()) - rest});
  FLATENN_CHECK(axes.x.norm().item<double>() > 0, "landscape: ", other.name,
                " is the same network, there is no path");
  axes.x_name = "towards " + other.name;
  axes.x_span = {-options.range / 2, 1 + options.range / 2};
  add_random_y(surface, seed, options, axes);
  if (axes.y.defined()) axes.y = torch::cat({axes.y, torch::zeros_like(rest)});
  return axes;
}

void check(const LandscapeOptions& options) {
  FLATENN_CHECK(options.points >= 3 && options.points % 2 == 1,
                "landscape: points must be odd and at least 3, got ", options.points);
  FLATENN_CHECK(options.range > 0 && std::isfinite(options.range),
                "landscape: range must be positive, got ", options.range);
}

Landscape trace_landscape(Surface& surface, const LandscapeAxes& axes,
                          const LandscapeOptions& options, const std::filesystem::path& file,
                          const std::string& identity, const PointObserver& observer) {
  check(options);
  PointFile points(file, identity);
  const auto finished = static_cast<int64_t>(points.finished().size());
  const int64_t total = (axes.y.defined() ? options.points : 1) * options.points;
  Landscape landscape{.axes = axes, .points = {}};
  for (int64_t index = 0; index < total; ++index) {
    LandscapePoint point;
    point.x = coordinate(axes.x_span, index % options.points, options.points);
    if (axes.y.defined()) point.y = coordinate(axes.y_span, index / options.points, options.points);
    if (index < finished) {
      point.value = points.finished()[static_cast<size_t>(index)];
    } else {
      point.value = surface.at(move_to(axes, point));
      points.append(point);
    }
    landscape.points.push_back(point);
    if (observer) observer(index + 1, total);
  }
  return landscape;
}

}  // namespace flatenn::analysis
