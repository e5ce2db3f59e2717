#include "report/scale.h"

#include <algorithm>
#include <cmath>

#include "report/format.h"

namespace flatenn::report {
namespace {

constexpr double kLinearMargin = 0.04;
constexpr double kLogMargin = 0.05;
/// Of an axis, relative to its values: what differs by less would look far apart over a full width.
constexpr double kLeastLinearSpan = 0.1;

/// The largest of 1, 2, 5 x 10^n that gives at least about five steps.
double nice_step(double span) {
  const double raw = span / 5;
  const double magnitude = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {5.0, 2.0}) {
    if (factor * magnitude <= raw) return factor * magnitude;
  }
  return magnitude;
}

int decimals_of(double step) {
  return std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
}

void add(std::vector<double>& all, const std::vector<double>& values) {
  for (const double value : values) {
    if (std::isfinite(value)) all.push_back(value);
  }
}

}  // namespace

Scale::Scale(const Axis& axis, const std::vector<double>& values) : axis_(axis) {
  if (!axis.categories.empty()) {
    low_ = -0.5;
    high_ = static_cast<double>(axis.categories.size()) - 0.5;
    return;
  }
  std::vector<double> shown;
  for (const double value : values) {
    if (!axis.log || value > 0) shown.push_back(value);
  }
  if (shown.empty()) shown = axis.log ? std::vector<double>{0.1, 1} : std::vector<double>{0, 1};
  const auto [least, most] = std::minmax_element(shown.begin(), shown.end());
  if (axis.log) {
    const double span = std::max(std::log10(*most / *least), 0.5);
    low_ = *least * std::pow(10, -kLogMargin * span);
    high_ = *most * std::pow(10, kLogMargin * span);
  } else {
    const double span = std::max(
        *most - *least, 1e-9 + kLeastLinearSpan * std::max(std::abs(*least), std::abs(*most)));
    const double middle = (*least + *most) / 2;
    low_ = middle - (0.5 + kLinearMargin) * span;
    high_ = middle + (0.5 + kLinearMargin) * span;
  }
  low_ = axis.min.value_or(low_);
  high_ = axis.max.value_or(high_);
}

double Scale::position(double value) const {
  if (axis_.log) return std::log(value / low_) / std::log(high_ / low_);
  return (value - low_) / (high_ - low_);
}

double Scale::value(double position) const {
  if (axis_.log) return low_ * std::pow(high_ / low_, position);
  return low_ + position * (high_ - low_);
}

std::vector<Tick> Scale::ticks() const {
  if (axis_.categories.empty()) return axis_.log ? log_ticks() : linear_ticks();
  std::vector<Tick> ticks;
  for (size_t i = 0; i < axis_.categories.size(); ++i) {
    ticks.push_back({static_cast<double>(i), axis_.categories[i]});
  }
  return ticks;
}

std::vector<Tick> Scale::linear_ticks() const {
  const double step =
      axis_.whole ? std::max(1.0, nice_step(high_ - low_)) : nice_step(high_ - low_);
  std::vector<Tick> ticks;
  for (double i = std::ceil(low_ / step - 1e-9); i * step <= high_ * (1 + 1e-12); ++i) {
    ticks.push_back({i * step, fixed(i * step, decimals_of(step))});
  }
  return ticks;
}

std::vector<Tick> Scale::log_ticks() const {
  const double decades = std::log10(high_ / low_);
  std::vector<Tick> ticks;
  for (double exponent = std::floor(std::log10(low_)); exponent <= std::log10(high_); ++exponent) {
    for (int mantissa = 1; mantissa <= 9; ++mantissa) {
      const double value = mantissa * std::pow(10, exponent);
      if (value < low_ || value > high_) continue;
      const bool labelled = mantissa == 1 || (decades < 3 && (mantissa == 2 || mantissa == 5));
      ticks.push_back({value, labelled ? short_number(value) : ""});
    }
  }
  return ticks;
}

std::vector<double> x_values(const Figure& figure) {
  std::vector<double> all;
  for (const Series& series : figure.series) add(all, series.x);
  return all;
}

std::vector<double> y_values(const Figure& figure) {
  std::vector<double> all;
  for (const Series& series : figure.series) {
    add(all, series.y);
    add(all, series.low);
    add(all, series.high);
  }
  for (const ReferenceLine& line : figure.references) add(all, {line.y});
  return all;
}

void share_axes(std::vector<Figure>& figures) {
  if (figures.size() < 2) return;
  std::vector<double> all;
  for (const Figure& figure : figures) add(all, y_values(figure));
  const Scale scale(figures.front().y, all);
  for (Figure& figure : figures) {
    figure.y.min = scale.low();
    figure.y.max = scale.high();
  }
}

}  // namespace flatenn::report
