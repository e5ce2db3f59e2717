#include "flatenn/fault/memory_array.h"

#include <algorithm>

#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Bits of one group of cells: a whole word, or one half of a differential pair.
int group_bits(const MemoryTensor& tensor, Encoding encoding) {
  return encoding == Encoding::kDifferentialPair ? tensor.code_bits - 1 : tensor.bits;
}

void check_geometry(const ArrayGeometry& geometry) {
  FLATENN_CHECK(geometry.rows >= 1 && geometry.columns >= 1,
                "array: rows and columns must be at least 1, got ", geometry.rows, " x ",
                geometry.columns);
  FLATENN_CHECK(geometry.bits_per_cell >= 1 && geometry.bits_per_cell <= 8,
                "array: bits_per_cell must be in [1, 8], got ", geometry.bits_per_cell);
  FLATENN_CHECK(geometry.arrays >= 0, "array: arrays must be at least 0, got ", geometry.arrays);
}

}  // namespace

ArrayMapping parse_array_mapping(const std::string& name) {
  FLATENN_CHECK(name == "crossbar" || name == "linear",
                "array mapping: must be one of crossbar, linear, got '", name, "'");
  return name == "crossbar" ? ArrayMapping::kCrossbar : ArrayMapping::kLinear;
}

std::string to_string(ArrayMapping mapping) {
  return mapping == ArrayMapping::kCrossbar ? "crossbar" : "linear";
}

ArrayMap::ArrayMap(const MemoryLayout& layout, Encoding encoding, const ArrayGeometry& geometry)
    : layout_(layout), encoding_(encoding), geometry_(geometry) {
  check_geometry(geometry);
  int64_t next_row = 0;  // counted over all arrays
  for (int32_t i = 0; i < layout_.weight_tensors; ++i) {
    Region region = place(layout_.tensors[static_cast<size_t>(i)], i);
    region.first_array = next_row / geometry_.rows;
    region.first_row = next_row % geometry_.rows;
    if (geometry_.mapping == ArrayMapping::kCrossbar) {
      next_row += region.row_tiles * region.column_tiles * geometry_.rows;
    } else {
      next_row += region.rows;
    }
    regions_.push_back(region);
  }
  arrays_ = divide_up(next_row, geometry_.rows);
  FLATENN_CHECK(geometry_.arrays == 0 || arrays_ <= geometry_.arrays, "array: the network needs ",
                arrays_, " arrays of ", geometry_.rows, " x ", geometry_.columns,
                " cells, there are ", geometry_.arrays);
}

ArrayMap::Region ArrayMap::place(const MemoryTensor& tensor, int32_t index) const {
  Region region{.tensor = index};
  const int group = group_bits(tensor, encoding_);
  region.cells_per_word = tensor.bits / group * divide_up(group, int64_t{geometry_.bits_per_cell});
  region.words_per_row = geometry_.columns / region.cells_per_word;
  FLATENN_CHECK(region.words_per_row > 0, "array: a row of ", geometry_.columns,
                " cells is too short for a word of ", tensor.name, ", which takes ",
                region.cells_per_word);
  if (geometry_.mapping == ArrayMapping::kCrossbar) {
    region.rows = tensor.elements / tensor.shape[0];
    region.row_tiles = divide_up(region.rows, geometry_.rows);
    region.column_tiles = divide_up(tensor.shape[0], region.words_per_row);
  } else {
    region.rows = divide_up(tensor.elements, region.words_per_row);
  }
  return region;
}

Cell ArrayMap::cell_of(const FaultSite& site) const {
  check_site(site, layout_);
  FLATENN_CHECK(site.tensor < layout_.weight_tensors, "array: holds weights alone, asked for ",
                layout_.tensors[static_cast<size_t>(site.tensor)].name);
  const MemoryTensor& tensor = layout_.tensors[static_cast<size_t>(site.tensor)];
  const Region& region = regions_[static_cast<size_t>(site.tensor)];
  const int group = group_bits(tensor, encoding_);
  const int64_t cells_per_group = region.cells_per_word / (tensor.bits / group);
  const int64_t cell =
      site.bit / group * cells_per_group + site.bit % group / geometry_.bits_per_cell;
  if (geometry_.mapping == ArrayMapping::kLinear) {
    const int64_t row = region.first_array * geometry_.rows + region.first_row +
                        site.element / region.words_per_row;
    return {.array = row / geometry_.rows,
            .row = row % geometry_.rows,
            .column = site.element % region.words_per_row * region.cells_per_word + cell};
  }
  const int64_t row = site.element % region.rows;
  const int64_t channel = site.element / region.rows;
  const int64_t tile = row / geometry_.rows * region.column_tiles + channel / region.words_per_row;
  return {.array = region.first_array + tile,
          .row = row % geometry_.rows,
          .column = channel % region.words_per_row * region.cells_per_word + cell};
}

std::optional<CellContent> ArrayMap::content(const Cell& cell) const {
  const int64_t arrays = std::max(arrays_, geometry_.arrays);
  FLATENN_CHECK(
      cell.array >= 0 && cell.array < arrays && cell.row >= 0 && cell.row < geometry_.rows &&
          cell.column >= 0 && cell.column < geometry_.columns,
      "array: cell (", cell.array, ", ", cell.row, ", ", cell.column, ") is outside the memory of ",
      arrays, " arrays of ", geometry_.rows, " x ", geometry_.columns, " cells");
  // The last region that begins at or before the cell.
  const auto after = std::partition_point(regions_.begin(), regions_.end(), [&](const Region& r) {
    return r.first_array < cell.array || (r.first_array == cell.array && r.first_row <= cell.row);
  });
  if (after == regions_.begin()) return std::nullopt;
  return content_in(*std::prev(after), cell);
}

std::optional<CellContent> ArrayMap::content_in(const Region& region, const Cell& cell) const {
  const int64_t word = cell.column / region.cells_per_word;
  if (word >= region.words_per_row) return std::nullopt;
  const MemoryTensor& tensor = layout_.tensors[static_cast<size_t>(region.tensor)];
  int64_t element = 0;
  if (geometry_.mapping == ArrayMapping::kLinear) {
    const int64_t row =
        (cell.array - region.first_array) * geometry_.rows + cell.row - region.first_row;
    element = row * region.words_per_row + word;
    if (row >= region.rows || element >= tensor.elements) return std::nullopt;
  } else {
    const int64_t tile = cell.array - region.first_array;
    const int64_t row = tile / region.column_tiles * geometry_.rows + cell.row;
    const int64_t channel = tile % region.column_tiles * region.words_per_row + word;
    if (row >= region.rows || channel >= tensor.shape[0]) return std::nullopt;
    element = channel * region.rows + row;
  }
  const int group = group_bits(tensor, encoding_);
  const int64_t cells_per_group = region.cells_per_word / (tensor.bits / group);
  const int64_t place = cell.column % region.cells_per_word;
  const auto first = place % cells_per_group * geometry_.bits_per_cell;
  return CellContent{
      .tensor = region.tensor,
      .element = element,
      .first_bit = static_cast<int32_t>(place / cells_per_group * group + first),
      .bits = static_cast<int32_t>(std::min<int64_t>(geometry_.bits_per_cell, group - first))};
}

}  // namespace flatenn::fault
