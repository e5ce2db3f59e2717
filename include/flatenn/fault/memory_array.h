#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flatenn/fault/fault_map.h"
#include "flatenn/fault/memory_layout.h"

namespace flatenn::fault {

enum class ArrayMapping {
  /// The weight matrix as a compute array holds it: row = place in the fan-in (i, h, w), columns =
  /// the cells of output channel o; cut into tiles of one array each. Every tensor starts a new
  /// array.
  kCrossbar,
  /// Plain memory: words one after another along the rows, every tensor from a new row on.
  kLinear,
};

/// A memory built of equal arrays.
struct ArrayGeometry {
  int64_t rows = 128;
  int64_t columns = 128;  ///< Cells in a row.
  int bits_per_cell = 1;
  int64_t arrays = 0;  ///< How many there are; 0: as many as the network needs.
  ArrayMapping mapping = ArrayMapping::kCrossbar;

  bool operator==(const ArrayGeometry&) const = default;
};

/// A physical cell.
struct Cell {
  int64_t array = 0;
  int64_t row = 0;
  int64_t column = 0;

  bool operator==(const Cell&) const = default;
};

/// Stored bits that share a cell.
struct CellContent {
  int32_t tensor = 0;
  int64_t element = 0;
  int32_t first_bit = 0;
  int32_t bits = 0;  ///< At least 1.
};

/// Where each weight word stands in the arrays. A word of B stored bits takes ceil(B /
/// bits_per_cell) cells beside each other in one row, least significant bits first; the two halves
/// of a differential pair have cells of their own. Words do not cross from one array to the next.
class ArrayMap {
 public:
  /// Throws Error where a geometry makes no sense, a row is too short for a word, or the network
  /// needs more arrays than there are.
  ArrayMap(const MemoryLayout& layout, Encoding encoding, const ArrayGeometry& geometry);

  /// One tensor's place.
  struct Region {
    int32_t tensor = 0;
    int64_t first_array = 0;
    int64_t first_row = 0;      ///< In first_array (linear mapping; 0 in a crossbar).
    int64_t rows = 0;           ///< Rows needed, over all tiles one below another.
    int64_t words_per_row = 0;  ///< In one array.
    int64_t cells_per_word = 0;
    int64_t row_tiles = 0;     ///< Arrays one below another (crossbar).
    int64_t column_tiles = 0;  ///< Arrays beside each other (crossbar).
  };

  const ArrayGeometry& geometry() const { return geometry_; }
  const std::vector<Region>& regions() const { return regions_; }
  int64_t arrays() const { return arrays_; }  ///< Holding anything.
  /// The cell that holds a stored bit.
  Cell cell_of(const FaultSite& site) const;
  /// What a cell holds; nothing where it is unused. Throws Error outside the arrays there are.
  std::optional<CellContent> content(const Cell& cell) const;

 private:
  Region place(const MemoryTensor& tensor, int32_t index) const;
  std::optional<CellContent> content_in(const Region& region, const Cell& cell) const;

  MemoryLayout layout_;
  Encoding encoding_;
  ArrayGeometry geometry_;
  std::vector<Region> regions_;
  int64_t arrays_ = 0;
};

/// "crossbar", "linear". Throws Error listing the choices.
ArrayMapping parse_array_mapping(const std::string& name);
std::string to_string(ArrayMapping mapping);

}  // namespace flatenn::fault
