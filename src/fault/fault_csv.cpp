#include <algorithm>
#include <map>

#include "fault/csv.h"
#include "fault/fault_list_file.h"
#include "flatenn/base/config.h"
#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

const std::vector<std::string> kIndexColumns = {"out", "in", "kernel_row", "kernel_column"};
const std::vector<std::string> kKnownColumns = {"layer",      "element",       "out",   "in",
                                                "kernel_row", "kernel_column", "bit",   "kind",
                                                "array",      "row",           "column"};

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
    return csv_integer(text(column), column, place_);
  }
  /// Whether the column is there and its field not empty.
  bool has(const std::string& column) const {
    return columns_.contains(column) && !text(column).empty();
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

std::map<std::string, size_t> read_header(const CsvLine& line) {
  const std::string& place = line.place;
  std::map<std::string, size_t> columns;
  for (const std::string& name : line.fields) {
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

ListedFault read_site(const Row& row) {
  ListedFault fault{.tensor = row.text("layer"),
                    .bit = checked_bit(row.number("bit"), row.place()),
                    .kind = row.kind(),
                    .place = row.place()};
  if (row.has("element")) fault.element = checked_element(row.number("element"), row.place());
  if (row.has("out")) {
    for (const std::string& name : kIndexColumns) {
      fault.index.push_back(row.has(name) ? row.number(name) : 0);
    }
  }
  FLATENN_CHECK(fault.element >= 0 || !fault.index.empty(), row.place(), ": names no element");
  return fault;
}

}  // namespace

FaultList parse_fault_csv(const std::string& text, const std::string& name) {
  FaultList list;
  std::map<std::string, size_t> columns;
  for (const CsvLine& line : split_csv(text, name)) {
    if (columns.empty()) {
      columns = read_header(line);
      continue;
    }
    const Row row(columns, line.fields, line.place);
    if (columns.contains("array")) {
      const Cell cell{row.number("array"), row.number("row"), row.number("column")};
      list.cells.push_back({cell, row.kind(), row.place()});
    } else {
      list.faults.push_back(read_site(row));
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
