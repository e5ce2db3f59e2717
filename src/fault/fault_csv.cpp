#include <algorithm>
#include <charconv>
#include <map>

#include "fault/fault_list_file.h"
#include "flatenn/base/config.h"
#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

const std::vector<std::string> kIndexColumns = {"out", "in", "kernel_row", "kernel_column"};
const std::vector<std::string> kKnownColumns = {"layer",      "element",       "out",   "in",
                                                "kernel_row", "kernel_column", "bit",   "kind",
                                                "array",      "row",           "column"};

std::string trim(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\"");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\"") - begin + 1);
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

/// One line with its columns' names.
class Row {
 public:
  Row(const std::map<std::string, size_t>& columns, std::vector<std::string> fields,
      std::string place)
      : columns_(columns), fields_(std::move(fields)), place_(std::move(place)) {
    FLATENN_CHECK(fields_.size() == columns_.size(), place_, ": expected ", columns_.size(),
                  " fields, got ", fields_.size());
  }
  const std::string& place() const { return place_; }
  std::string text(const std::string& column) const { return fields_[columns_.at(column)]; }
  int64_t number(const std::string& column) const {
    const std::string value = text(column);
    int64_t result = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
    FLATENN_CHECK(error == std::errc() && end == value.data() + value.size(), place_, ": ", column,
                  " must be an integer, got '", value, "'");
    return result;
  }
  /// -1 where the column is not there or the field is empty.
  int64_t optional_number(const std::string& column) const {
    return columns_.contains(column) && !text(column).empty() ? number(column) : -1;
  }
  FaultKind kind() const {
    try {
      return parse_fault_kind(text("kind"));
    } catch (const Error& error) {
      throw Error(place_ + ": " + error.what());
    }
  }

 private:
  const std::map<std::string, size_t>& columns_;
  std::vector<std::string> fields_;
  std::string place_;
};

std::map<std::string, size_t> read_header(const std::string& line, const std::string& place) {
  std::map<std::string, size_t> columns;
  for (const std::string& name : split_line(line)) {
    const bool known =
        std::find(kKnownColumns.begin(), kKnownColumns.end(), name) != kKnownColumns.end();
    const auto nearest = nearest_name(name, kKnownColumns);
    FLATENN_CHECK(known, place, ": unknown column '", name, "'",
                  nearest ? "; did you mean '" + *nearest + "'?" : "");
    FLATENN_CHECK(columns.emplace(name, columns.size()).second, place, ": column '", name,
                  "' stands twice");
  }
  const auto has = [&](const char* name) { return columns.contains(name); };
  const bool cells = has("array") && has("row") && has("column");
  const bool index = std::all_of(kIndexColumns.begin(), kIndexColumns.end(),
                                 [&](const std::string& name) { return columns.contains(name); });
  const bool sites = has("layer") && has("bit") && (has("element") || index);
  FLATENN_CHECK(has("kind") && (cells != sites), place,
                ": the first line must name the columns layer, element (or out, in, kernel_row, "
                "kernel_column), bit, kind; or array, row, column, kind");
  return columns;
}

ListedFault read_site(const Row& row, const std::map<std::string, size_t>& columns) {
  ListedFault fault{.tensor = row.text("layer"),
                    .element = row.optional_number("element"),
                    .bit = static_cast<int32_t>(row.number("bit")),
                    .kind = row.kind(),
                    .place = row.place()};
  if (!columns.contains("out") || row.text("out").empty()) return fault;
  for (const std::string& name : kIndexColumns) {
    fault.index.push_back(std::max<int64_t>(0, row.optional_number(name)));
  }
  return fault;
}

}  // namespace

FaultList parse_fault_csv(const std::string& text, const std::string& name) {
  FaultList list;
  std::map<std::string, size_t> columns;
  size_t start = 0;
  for (int64_t line = 1; start < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', start), text.size());
    const std::string content = text.substr(start, end - start);
    start = end + 1;
    if (trim(content).empty() || content.front() == '#') continue;
    const std::string place = detail::concat(name, ":", line);
    if (columns.empty()) {
      columns = read_header(content, place);
      continue;
    }
    const Row row(columns, split_line(content), place);
    if (columns.contains("array")) {
      const Cell cell{row.number("array"), row.number("row"), row.number("column")};
      list.cells.push_back({cell, row.kind(), row.place()});
    } else {
      list.faults.push_back(read_site(row, columns));
    }
  }
  FLATENN_CHECK(!columns.empty(), name, ": holds no faults, not even a line of column names");
  return list;
}

std::string fault_map_csv(const FaultMap& map, const MemoryLayout& layout) {
  std::string text = "layer,element,out,in,kernel_row,kernel_column,bit,kind\n";
  for (const Fault& fault : map.faults) {
    const MemoryTensor& tensor = layout.tensors[static_cast<size_t>(fault.site.tensor)];
    const auto index = tensor.index(fault.site.element);
    text += detail::concat(tensor.name, ",", fault.site.element, ",", index[0], ",", index[1], ",",
                           index[2], ",", index[3], ",", fault.site.bit, ",", to_string(fault.kind),
                           "\n");
  }
  return text;
}

}  // namespace flatenn::fault
