#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flatenn::fault {

/// A line of a CSV file without quoting: fields trimmed of blanks, quotes and carriage returns.
struct CsvLine {
  std::vector<std::string> fields;
  std::string place;  ///< "file:line"
};

/// All lines but empty ones and those that begin with '#'.
std::vector<CsvLine> split_csv(const std::string& text, const std::string& name);

/// Throws Error naming place and column where the whole field is not such a number.
int64_t csv_integer(const std::string& field, const std::string& column, const std::string& place);
double csv_number(const std::string& field, const std::string& column, const std::string& place);

}  // namespace flatenn::fault
