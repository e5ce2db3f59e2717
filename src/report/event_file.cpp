#include "report/event_file.h"

#include <array>
#include <bit>

namespace flatenn::report {
namespace {

constexpr std::array<uint32_t, 256> crc_table() {
  constexpr uint32_t kPolynomial = 0x82F63B78;
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    table[byte] = crc;
  }
  return table;
}

template <typename Unsigned>
std::string little_endian(Unsigned value) {
  std::string bytes;
  for (size_t i = 0; i < sizeof(value); ++i)
    bytes += static_cast<char>(static_cast<uint8_t>(value >> (8 * i)));
  return bytes;
}

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value > 127; value >>= 7) bytes += static_cast<char>(value | 128);
  return bytes + static_cast<char>(value);
}

// Fields of protocol buffers: the number and the wire type (0 varint, 1 64 bits, 2 bytes, 5 32
// bits), then the value.
std::string key(uint64_t field, uint64_t wire) { return varint(field << 3 | wire); }

std::string bytes_field(uint64_t field, const std::string& bytes) {
  return key(field, 2) + varint(bytes.size()) + bytes;
}

/// Event.wall_time.
std::string wall_time(double seconds) {
  return key(1, 1) + little_endian(std::bit_cast<uint64_t>(seconds));
}

/// Event{wall_time = 1, step = 2, summary = 5}; Summary{value = 1}; Value{tag = 1, simple_value =
/// 2}.
std::string scalar_event(const EventScalar& scalar) {
  const std::string value =
      bytes_field(1, scalar.tag) + key(2, 5) + little_endian(std::bit_cast<uint32_t>(scalar.value));
  return wall_time(static_cast<double>(scalar.step)) + key(2, 0) +
         varint(static_cast<uint64_t>(scalar.step)) + bytes_field(5, bytes_field(1, value));
}

uint32_t masked_crc(const std::string& bytes) {
  const uint32_t crc = crc32c(bytes);
  return std::rotr(crc, 15) + 0xA282EAD8;
}

std::string record(const std::string& event) {
  const std::string length = little_endian(static_cast<uint64_t>(event.size()));
  return length + little_endian(masked_crc(length)) + event + little_endian(masked_crc(event));
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = crc_table();
  uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<uint8_t>(c)) & 255];
  return ~crc;
}

std::string event_file(const std::vector<EventScalar>& scalars) {
  constexpr const char* kVersion = "brain.Event:2";  // Event.file_version, which readers expect
  std::string file = record(wall_time(0) + bytes_field(3, kVersion));
  for (const EventScalar& scalar : scalars) file += record(scalar_event(scalar));
  return file;
}

}  // namespace flatenn::report
