#include "flatenn/report/table.h"

#include "base/csv_field.h"
#include "report/format.h"

namespace flatenn::report {
namespace {

std::string text_of(const Field& field) {
  if (const auto* number = std::get_if<double>(&field)) return exact(*number);
  if (const auto* bound = std::get_if<Bound>(&field)) return exact(bound->value);
  return csv_field(std::get<std::string>(field));
}

}  // namespace

std::string to_csv(const Table& table) {
  std::string out;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const Column& column = table.columns[i];
    out +=
        (i == 0 ? "" : ",") + csv_field(column.csv_name.empty() ? column.title : column.csv_name);
  }
  out += "\n";
  for (const auto& row : table.rows) {
    for (size_t i = 0; i < row.size(); ++i) out += (i == 0 ? "" : ",") + text_of(row[i]);
    out += "\n";
  }
  return out;
}

}  // namespace flatenn::report
