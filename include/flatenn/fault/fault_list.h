#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "flatenn/fault/fault_map.h"
#include "flatenn/fault/memory_array.h"
#include "flatenn/fault/protection.h"

namespace flatenn::fault {

/// A fault as a file names it: by tensor name.
struct ListedFault {
  std::string tensor;  ///< "conv1", "conv1.bias"
  int64_t element = -1;
  std::vector<int64_t> index;  ///< OIHW where the file gives it; element is -1 then or must agree.
  int32_t bit = 0;
  FaultKind kind = FaultKind::kBitFlip;
  std::string place;  ///< "defects.csv:7", for messages.
};

/// A defect cell of a chip: all bits it holds are faulty.
struct ListedCell {
  Cell cell;
  FaultKind kind = FaultKind::kStuckAt0;
  std::string place;
};

/// An exact list of faults from a file: a map drawn earlier, or a chip's defect map, by stored bit
/// or by cell of the memory arrays.
struct FaultList {
  std::string encoding;  ///< Of the memory it was drawn for; empty where the file does not say.
  std::string network;   ///< Content hash of the network it was drawn for; empty where unknown.
  std::optional<Protection> protection;  ///< Of that memory; nothing where the file does not say.
  std::optional<ArrayGeometry> array;
  bool activations = false;  ///< The trial also had faults of activations, which no map holds.
  std::vector<ListedFault> faults;
  std::vector<ListedCell> cells;
  std::vector<ListedFault> check_faults;  ///< `element` is the protected word or block.
};

/// Reads CSV (first line names the columns: layer, bit, kind and element or out, in, kernel_row,
/// kernel_column; or array, row, column, kind) or JSON as fault_map_json makes it
/// (docs/faults.md). Throws Error naming file and line.
FaultList read_fault_list(const std::filesystem::path& path);

/// The list as a map. Throws Error naming the line where a site is outside the memory, stands
/// twice, or where the list names cells and `arrays` is null.
FaultMap resolve(const FaultList& list, const MemoryLayout& layout, const ArrayMap* arrays);

/// Where a map comes from, kept in its file.
struct FaultMapOrigin {
  std::string network;  ///< Content hash.
  std::string encoding;
  std::string model;  ///< Canonical JSON of the fault model; empty where unknown.
  double rate = 0;
  uint64_t seed = 0;
  uint64_t trial = 0;
};

/// The text of a file that read_fault_list turns into the same map. CSV
/// (layer,element,out,in,kernel_row,kernel_column,bit,kind) leaves out faults of check bits.
std::string fault_map_csv(const FaultMap& map, const MemoryLayout& layout);
std::string fault_map_json(const FaultMap& map, const MemoryLayout& layout,
                           const FaultMapOrigin& origin);

}  // namespace flatenn::fault
