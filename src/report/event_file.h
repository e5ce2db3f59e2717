#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace flatenn::report {

/// A value of a curve, as TensorBoard shows it.
struct EventScalar {
  std::string tag;  ///< Curve: "accuracy/bit_flip".
  int64_t step = 0;
  float value = 0;
};

/// CRC-32C (Castagnoli polynomial, reflected), of RFC 3720, section 12.1.
uint32_t crc32c(std::string_view bytes);

/// An event file of TensorBoard: length-prefixed records of tensorflow.Event (event.proto), each
/// guarded by a masked CRC-32C (tensorflow/core/lib/io/record_writer.h). An event's wall time is
/// its step in seconds, so equal scalars give equal bytes.
std::string event_file(const std::vector<EventScalar>& scalars);

}  // namespace flatenn::report
