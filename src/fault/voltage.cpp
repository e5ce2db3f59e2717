#include "flatenn/fault/voltage.h"

#include <algorithm>
#include <cmath>

#include "fault/csv.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/number.h"

namespace flatenn::fault {
namespace {

struct VoltageColumns {
  size_t voltage = 0;
  size_t rate = 0;
};

VoltageColumns read_columns(const CsvLine& line) {
  VoltageColumns columns{line.fields.size(), line.fields.size()};
  for (size_t i = 0; i < line.fields.size(); ++i) {
    if (line.fields[i] == "voltage") columns.voltage = i;
    if (line.fields[i] == "rate" || line.fields[i] == "bit_error_rate") columns.rate = i;
  }
  FLATENN_CHECK(columns.voltage < line.fields.size() && columns.rate < line.fields.size(),
                line.place, ": the first line must name the columns voltage and rate");
  return columns;
}

}  // namespace

VoltageTable VoltageTable::read(const std::filesystem::path& path) {
  return parse(read_file(path), path.filename().string());
}

VoltageTable VoltageTable::parse(const std::string& csv, const std::string& name) {
  const std::vector<CsvLine> lines = split_csv(csv, name);
  FLATENN_CHECK(lines.size() >= 3, name, ": needs a line of column names and at least two points");
  const VoltageColumns columns = read_columns(lines.front());
  VoltageTable table;
  table.name_ = name;
  for (size_t i = 1; i < lines.size(); ++i) {
    const CsvLine& line = lines[i];
    FLATENN_CHECK(line.fields.size() == lines.front().fields.size(), line.place, ": expected ",
                  lines.front().fields.size(), " fields, got ", line.fields.size());
    const Point point{csv_number(line.fields[columns.voltage], "voltage", line.place),
                      csv_number(line.fields[columns.rate], "rate", line.place)};
    FLATENN_CHECK(point.rate >= 0 && point.rate <= 1, line.place, ": rate must be in [0, 1], got ",
                  number_text(point.rate));
    for (const Point& other : table.points_) {
      FLATENN_CHECK(other.voltage != point.voltage, line.place, ": voltage ", point.voltage,
                    " stands twice");
    }
    table.points_.push_back(point);
  }
  std::sort(table.points_.begin(), table.points_.end(),
            [](const Point& a, const Point& b) { return a.voltage < b.voltage; });
  return table;
}

double VoltageTable::rate(double voltage) const {
  FLATENN_CHECK(voltage >= points_.front().voltage && voltage <= points_.back().voltage, name_,
                ": voltage ", voltage, " is outside the table, which covers ",
                points_.front().voltage, " to ", points_.back().voltage);
  const auto above = std::find_if(points_.begin(), points_.end(),
                                  [&](const Point& p) { return p.voltage >= voltage; });
  if (above->voltage == voltage) return above->rate;
  const Point& low = *std::prev(above);
  const double share = (voltage - low.voltage) / (above->voltage - low.voltage);
  if (low.rate == 0 || above->rate == 0) return low.rate + share * (above->rate - low.rate);
  return std::exp(std::log(low.rate) + share * (std::log(above->rate) - std::log(low.rate)));
}

}  // namespace flatenn::fault
