#include <algorithm>
#include <limits>
#include <map>

#include "flatenn/base/error.h"
#include "report/artifacts.h"
#include "report/contour_levels.h"
#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

/// A list of as many numbers as the landscape has points.
std::vector<double> numbers(const nlohmann::json& result, const char* key) {
  const nlohmann::json& settings = result.at("settings");
  const auto side = settings.at("points").get<int64_t>();
  const int64_t points = settings.at("plane").get<bool>() ? side * side : side;
  auto values = result.at(key).get<std::vector<double>>();
  FLATENN_CHECK(side > 0 && static_cast<int64_t>(values.size()) == points, "'", key, "' holds ",
                values.size(), " numbers, expected ", points);
  return values;
}

bool is_plane(const nlohmann::json& result) {
  return result.at("settings").at("plane").get<bool>();
}

std::string space_words(const std::string& space) {
  return space == "after" ? "after quantization, as faults move them"
                          : "before quantization (every point is quantized anew)";
}

bool is_path(const nlohmann::json& result) {
  return result.at("settings").at("direction") == "path";
}

std::string images_of(const nlohmann::json& result) {
  return std::to_string(result.at("settings").at("images").get<int64_t>()) + " images";
}

constexpr const char* kLossTitle = "Loss (cross entropy, nats)";

Figure empty_line_figure(const nlohmann::json& result) {
  const std::string space = result.at("settings").at("space");
  const std::string direction = result.at("settings").at("direction");
  const bool path = is_path(result);
  const std::string way = path                    ? "on the path to another model"
                          : direction == "ascent" ? "along the ascent direction"
                                                  : "along a random direction";
  return {.id = "landscape-" + slug(space + "-" + direction),
          .title = "Loss " + way + ", weights moved " + space + " quantization",
          .caption = "Mean cross entropy over " + images_of(result) + "; weights moved " +
                     space_words(space) +
                     (path ? "; 0 is the model, 1 the other one: weights, biases and scales."
                           : "; at 1 every filter has moved by its own norm."),
          .x = {.title = path ? "Position on the path" : "Distance (filter norms)"},
          .y = {.title = kLossTitle}};
}

/// Lines of all models over one kind of axis: "after/random".
std::map<std::string, Figure> line_figures(const std::vector<ModelArtifact>& artifacts) {
  std::map<std::string, Figure> figures;
  for (const ModelArtifact& artifact : artifacts) {
    const nlohmann::json& result = *artifact.result;
    if (is_plane(result)) continue;
    const std::string space = result.at("settings").at("space");
    const std::string direction = result.at("settings").at("direction");
    const auto [figure, fresh] = figures.try_emplace(space + "/" + direction);
    if (fresh) figure->second = empty_line_figure(result);
    const auto x = numbers(result, "x");
    figure->second.series.push_back({.name = artifact.arm,
                                     .style = artifact.style,
                                     .x = x,
                                     .y = numbers(result, "loss"),
                                     .labels = std::vector<std::string>(x.size(), artifact.model)});
  }
  return figures;
}

Contour plane(const ModelArtifact& artifact, size_t index) {
  const nlohmann::json& result = *artifact.result;
  const auto x = numbers(result, "x");
  const auto y = numbers(result, "y");
  const auto loss = numbers(result, "loss");
  const auto points = result.at("settings").at("points").get<size_t>();
  Contour contour{.id = "landscape-plane-" + std::to_string(index),
                  .title = "Loss over a plane: " + artifact.model,
                  .caption = "Mean cross entropy over " + images_of(result) + "; weights moved " +
                             space_words(result.at("settings").at("space").get<std::string>()) +
                             ". Each band's loss is the same factor above the one below.",
                  .x_title = capitalized(result.at("x_name")) +
                             (is_path(result) ? " (0 to 1)" : " (filter norms)"),
                  .y_title = capitalized(result.at("y_name")) + " (filter norms)",
                  .value_title = "Loss"};
  contour.x.assign(x.begin(), x.begin() + static_cast<int64_t>(points));
  for (size_t row = 0; row < points; ++row) {
    contour.y.push_back(y[row * points]);
    contour.values.emplace_back(loss.begin() + static_cast<int64_t>(row * points),
                                loss.begin() + static_cast<int64_t>((row + 1) * points));
  }
  return contour;
}

/// Planes of one kind of movement stand side by side: one scale of colours for all.
void share_colours(std::vector<Contour>& planes) {
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (const Contour& contour : planes) {
    const std::vector<double> levels = contour_levels(contour);
    low = std::min(low, levels.front());
    high = std::max(high, levels.back());
  }
  for (Contour& contour : planes) {
    contour.low = low;
    contour.high = high;
    if (planes.size() > 1) contour.caption += " All planes share one scale of colours.";
  }
}

/// Planes by what their weights moved along and in which space.
std::map<std::string, std::vector<Contour>> planes_of(const std::vector<ModelArtifact>& artifacts) {
  std::map<std::string, std::vector<Contour>> planes;
  for (size_t i = 0; i < artifacts.size(); ++i) {
    const nlohmann::json& result = *artifacts[i].result;
    if (!is_plane(result)) continue;
    const nlohmann::json& settings = result.at("settings");
    Contour contour = plane(artifacts[i], i);  // says what is missing
    planes[settings.at("space").get<std::string>() + "/" + settings.value("direction", "")]
        .push_back(std::move(contour));
  }
  for (auto& [kind, group] : planes) share_colours(group);
  return planes;
}

}  // namespace

Section landscape_section(const Findings& findings) {
  Section section{.id = "landscapes", .title = "Loss landscapes"};
  const std::vector<ModelArtifact> artifacts = model_artifacts(findings, "landscape");
  for (auto& [key, figure] : line_figures(artifacts)) section.blocks.emplace_back(figure);
  for (auto& [kind, planes] : planes_of(artifacts)) {
    for (Contour& contour : planes) section.blocks.emplace_back(std::move(contour));
  }
  return section;
}

}  // namespace flatenn::report
