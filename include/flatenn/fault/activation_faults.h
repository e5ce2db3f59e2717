#pragma once

#include <cstdint>
#include <vector>

namespace flatenn::fault {

/// A change of one stored activation code: word = ((word ^ flip) | set) & ~clear, on the code's
/// `bits` low bits (two's complement where the activation is signed).
struct CodeMask {
  int64_t element = 0;  ///< Within one image, CHW row-major.
  uint8_t flip = 0;
  uint8_t set = 0;
  uint8_t clear = 0;
};

/// Faults in the memory that holds activation codes, as an engine asks for them. Thread-safe.
class ActivationFaults {
 public:
  virtual ~ActivationFaults() = default;
  /// Whether any code of this activation (index into Network::activations) can be faulty.
  virtual bool touches(int64_t activation) const = 0;
  /// Replaces `masks` by the faults of one image, elements rising. `image` is its index in the data
  /// set, so that the faults do not depend on batches or on which other images run.
  virtual void masks(int64_t activation, int64_t image, std::vector<CodeMask>& masks) const = 0;
};

}  // namespace flatenn::fault
