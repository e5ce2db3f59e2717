#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace flatenn::fault {

/// Bit error rate of a memory against its supply voltage, as measured: a second axis for campaigns.
class VoltageTable {
 public:
  struct Point {
    double voltage = 0;  ///< V
    double rate = 0;     ///< Bit error rate, in [0, 1].
    bool operator==(const Point&) const = default;
  };

  /// CSV with the columns voltage and rate (or bit_error_rate), voltages in any order. Throws Error
  /// naming file and line for anything malformed, a voltage given twice, or fewer than two points.
  static VoltageTable read(const std::filesystem::path& path);
  static VoltageTable parse(const std::string& csv, const std::string& name);

  /// The logarithm of the rate is interpolated linearly in the voltage (the rate itself between
  /// points of which one has rate 0). Throws Error outside the table: no extrapolation.
  double rate(double voltage) const;
  const std::vector<Point>& points() const { return points_; }  ///< Voltages rising.

 private:
  std::vector<Point> points_;
  std::string name_;
};

}  // namespace flatenn::fault
