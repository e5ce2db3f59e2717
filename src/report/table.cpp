#include "flatenn/report/table.h"

#include "report/format.h"

namespace flatenn::report {
namespace {

std::string csv_text(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string csv_field(const Field& field) {
  if (const auto* number = std::get_if<double>(&field)) return exact(*number);
  return csv_text(std::get<std::string>(field));
}

}  // namespace

std::string to_csv(const Table& table) {
  std::string out;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const Column& column = table.columns[i];
    out += (i == 0 ? "" : ",") + csv_text(column.csv_name.empty() ? column.title : column.csv_name);
  }
  out += "\n";
  for (const auto& row : table.rows) {
    for (size_t i = 0; i < row.size(); ++i) out += (i == 0 ? "" : ",") + csv_field(row[i]);
    out += "\n";
  }
  return out;
}

}  // namespace flatenn::report
