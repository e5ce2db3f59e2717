#pragma once

#include <string>
#include <variant>
#include <vector>

namespace flatenn::report {

struct Column {
  std::string title;
  int decimals = 2;       ///< Of numbers, on the page; CSV has all digits.
  std::string csv_name;   ///< Header in CSV; empty: the title.
  bool csv_only = false;  ///< Says to machines what the page shows otherwise.
};

/// A number that is known from one side only.
struct Bound {
  double value = 0;
  std::string sign;  ///< "<" or "≥", before the number on the page; CSV has the number alone.
};

/// A text or a number. NaN stands for "no value" and is left blank.
using Field = std::variant<std::string, double, Bound>;

struct Table {
  std::string id;  ///< Letters, digits, '-': file name and HTML id.
  std::string title;
  std::string caption;
  std::vector<Column> columns;
  std::vector<std::vector<Field>> rows;  ///< Each as long as `columns`.
  bool open = false;                     ///< Shown at once; others are folded on the page.
};

/// RFC 4180, with a header line. Numbers have as many digits as bring back the same double.
std::string to_csv(const Table& table);

}  // namespace flatenn::report
