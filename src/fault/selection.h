#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flatenn/fault/fault_model.h"
#include "flatenn/fault/memory_layout.h"

namespace flatenn::fault {

/// The bits of one tensor that a source reaches.
struct SelectedTensor {
  int32_t tensor = 0;
  std::vector<int32_t> bits;  ///< Rising.
};

/// What a source reaches, tensors in population order; never empty. `place` names the source in
/// messages. Throws Error for unknown layers, bits outside every word, or where nothing is left.
std::vector<SelectedTensor> select(const FaultSource& source, const MemoryLayout& layout,
                                   const std::string& place);

}  // namespace flatenn::fault
