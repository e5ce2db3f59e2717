#pragma once

#include <string>
#include <vector>

#include "flatenn/report/figure.h"

namespace flatenn::report {

struct Tick {
  double value = 0;
  std::string label;  ///< Empty for minor ticks.
};

/// Maps data to [0, 1] along one axis of a figure and chooses its ticks. A figure without data gets
/// [0, 1], or one decade.
class Scale {
 public:
  /// `values`: all finite coordinates to be shown; those of a log axis must be positive (others
  /// are ignored).
  Scale(const Axis& axis, const std::vector<double>& values);

  double value(double position) const;  ///< The inverse of position().
  double position(double value) const;  ///< 0 at the low end, 1 at the high end; may leave [0, 1].
  double low() const { return low_; }
  double high() const { return high_; }
  std::vector<Tick> ticks() const;

 private:
  std::vector<Tick> linear_ticks() const;
  std::vector<Tick> log_ticks() const;

  Axis axis_;
  double low_ = 0;
  double high_ = 1;
};

/// Every finite x (or y, band and reference lines included) of a figure.
std::vector<double> x_values(const Figure& figure);
std::vector<double> y_values(const Figure& figure);

/// Gives figures that stand side by side one range of y.
void share_axes(std::vector<Figure>& figures);

}  // namespace flatenn::report
