#pragma once

#include <string>
#include <variant>
#include <vector>

namespace flatenn::report {

struct Column {
  std::string title;
  int decimals = 2;      ///< Of numbers, on the page; CSV has all digits.
  std::string csv_name;  ///< Header in CSV; empty: the title.
};

/// A text or a number. NaN stands for "no value" and is left blank.
using Field = std::variant<std::string, double>;

struct Table {
  std::string id;  ///< Letters, digits, '-': file name and HTML id.
  std::string title;
  std::string caption;
  std::vector<Column> columns;
  std::vector<std::vector<Field>> rows;  ///< Each as long as `columns`.
};

/// RFC 4180, with a header line. Numbers have as many digits as bring back the same double.
std::string to_csv(const Table& table);

}  // namespace flatenn::report
