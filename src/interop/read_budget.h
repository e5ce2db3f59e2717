#pragma once

#include <cstddef>
#include <cstdint>

namespace flatenn::interop {

/// How many values may be made of a file's constants: nodes of a few bytes each could otherwise
/// copy a large one without end. Networks read each constant once and make a few copies of it.
class ReadBudget {
 public:
  explicit ReadBudget(size_t file_bytes) { more_file(file_bytes); }
  /// Data that lie outside the file.
  void more_file(size_t bytes) { left_ += kValuesAByte * static_cast<int64_t>(bytes); }
  /// False where they are more than what is left.
  [[nodiscard]] bool spend(int64_t values) { return (left_ -= values) >= 0; }

  static constexpr const char* kExceeded =
      "with those before it makes more than 32 values of each byte of the file";

 private:
  static constexpr int64_t kValuesAByte = 32;
  int64_t left_ = int64_t{1} << 24;  ///< Of the smallest file.
};

}  // namespace flatenn::interop
