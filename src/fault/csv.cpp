#include "fault/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

std::string trim(const std::string& text) {
  constexpr const char* kBlank = " \t\r\"";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::vector<std::string> split_line(const std::string& line) {
  std::vector<std::string> fields;
  size_t start = 0;
  while (true) {
    const size_t comma = line.find(',', start);
    fields.push_back(trim(line.substr(start, comma - start)));
    if (comma == std::string::npos) return fields;
    start = comma + 1;
  }
}

template <typename Number>
bool read_whole(const std::string& field, Number& value) {
  const char* end = field.data() + field.size();
  const auto result = std::from_chars(field.data(), end, value);
  return result.ec == std::errc() && result.ptr == end;
}

}  // namespace

std::vector<CsvLine> split_csv(const std::string& text, const std::string& name) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // as spreadsheets write it
  std::vector<CsvLine> lines;
  size_t start = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  for (int64_t line = 1; start < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', start), text.size());
    const std::string content = text.substr(start, end - start);
    start = end + 1;
    if (trim(content).empty() || content.front() == '#') continue;
    lines.push_back({split_line(content), detail::concat(name, ":", line)});
  }
  return lines;
}

int64_t csv_integer(const std::string& field, const std::string& column, const std::string& place) {
  int64_t value = 0;
  FLATENN_CHECK(read_whole(field, value), place, ": ", column, " must be an integer, got '", field,
                "'");
  return value;
}

double csv_number(const std::string& field, const std::string& column, const std::string& place) {
  double value = 0;
  FLATENN_CHECK(read_whole(field, value) && std::isfinite(value), place, ": ", column,
                " must be a number, got '", field, "'");
  return value;
}

}  // namespace flatenn::fault
