#include "data/npy.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "flatenn/base/error.h"

namespace flatenn::data {
namespace {

constexpr size_t kMostHeaderBytes = 1 << 16;
/// The largest array that is read.
constexpr uint64_t kMostUnpacked = uint64_t{1} << 34;

/// The text after `'key':`, without blanks before it; empty where there is no such key.
std::string_view value_of(std::string_view dictionary, const std::string& key) {
  const size_t at = dictionary.find("'" + key + "'");
  if (at == std::string_view::npos) return {};
  std::string_view rest = dictionary.substr(at + key.size() + 2);
  const size_t value = rest.find_first_not_of(" :");
  return value == std::string_view::npos ? std::string_view{} : rest.substr(value);
}

std::optional<std::string> quoted(std::string_view text) {
  if (!text.starts_with('\'')) return std::nullopt;
  const size_t end = text.find('\'', 1);
  if (end == std::string_view::npos) return std::nullopt;
  return std::string(text.substr(1, end - 1));
}

/// "(60000, 28, 28)", "(10,)" or "()".
std::optional<std::vector<int64_t>> tuple(std::string_view text) {
  const size_t end = text.find(')');
  if (!text.starts_with('(') || end == std::string_view::npos) return std::nullopt;
  std::vector<int64_t> numbers;
  for (size_t at = 1; at < end;) {
    if (text[at] == ' ' || text[at] == ',') {
      ++at;
      continue;
    }
    int64_t number = 0;
    const auto [stop, error] = std::from_chars(text.data() + at, text.data() + end, number);
    if (error != std::errc() || number < 0) return std::nullopt;
    numbers.push_back(number);
    at = static_cast<size_t>(stop - text.data());
  }
  return numbers;
}

std::string read_dictionary(const std::string& name, ZipReader& reader) {
  uint8_t head[8];
  FLATENN_CHECK(reader.left() >= sizeof head + 4, name, ": not a NumPy array");
  reader.read(head);
  FLATENN_CHECK(std::equal(head, head + 6, "\x93NUMPY",
                           [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); }),
                name, ": not a NumPy array");
  FLATENN_CHECK(head[6] >= 1 && head[6] <= 3, name, ": NumPy arrays of version ", int{head[6]},
                " are not read");
  std::vector<uint8_t> size_bytes(head[6] == 1 ? 2 : 4);
  reader.read(size_bytes);
  size_t size = 0;
  for (size_t i = size_bytes.size(); i-- > 0;) size = size << 8 | size_bytes[i];
  FLATENN_CHECK(size <= kMostHeaderBytes && size <= reader.left(), name,
                ": damaged NumPy array: a head of ", size, " bytes");
  std::vector<uint8_t> text(size);
  reader.read(text);
  return {text.begin(), text.end()};
}

void check_type(const std::string& name, const std::string& type) {
  FLATENN_CHECK(
      type.find('O') == std::string::npos, name,
      ": holds Python objects, which are stored as a pickle; pickles can run programs and "
      "are not read");
  const std::string_view kinds = "biufc";
  FLATENN_CHECK(
      type.size() >= 3 && kinds.find(type[1]) != std::string_view::npos &&
          std::all_of(type.begin() + 2, type.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
          type.size() <= 4,
      name, ": not an array of numbers: its type is '", type, "'");
}

bool is_integer(const NpyHeader& header) {
  const int64_t bytes = header.element_bytes();
  return (header.type[1] == 'i' || header.type[1] == 'u') &&
         (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8);
}

int64_t integer_at(const uint8_t* bytes, size_t size, bool big, bool is_signed) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value = value << 8 | bytes[big ? i : size - 1 - i];
  const auto shift = static_cast<unsigned>(64 - 8 * size);
  if (is_signed) return static_cast<int64_t>(value << shift) >> shift;
  return value > INT64_MAX ? INT64_MAX : static_cast<int64_t>(value);
}

}  // namespace

int64_t NpyHeader::elements() const {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}

int64_t NpyHeader::element_bytes() const { return std::stoll(type.substr(2)); }

std::string NpyHeader::describe() const {
  const std::string kind = type[1] == 'u'   ? "uint"
                           : type[1] == 'i' ? "int"
                           : type[1] == 'f' ? "float"
                           : type[1] == 'b' ? "bool"
                                            : "complex";
  std::string text = kind + (type[1] == 'b' ? "" : std::to_string(8 * element_bytes())) + " [";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

NpyHeader read_npy_header(const std::string& name, ZipReader& reader) {
  const std::string dictionary = read_dictionary(name, reader);
  const std::string_view descr = value_of(dictionary, "descr");
  FLATENN_CHECK(!descr.starts_with('['), name, ": not an array of numbers but of records");
  const auto type = quoted(descr);
  const auto shape = tuple(value_of(dictionary, "shape"));
  FLATENN_CHECK(type && shape, name, ": damaged NumPy array: its head names no type or shape");
  check_type(name, *type);
  FLATENN_CHECK(value_of(dictionary, "fortran_order").starts_with("False"), name,
                ": is column-major (Fortran order); save it by np.ascontiguousarray");
  NpyHeader header{.type = *type, .shape = *shape};
  auto bytes = static_cast<uint64_t>(header.element_bytes());
  for (const int64_t extent : header.shape) {
    FLATENN_CHECK(extent == 0 || bytes <= kMostUnpacked / static_cast<uint64_t>(extent), name, ": ",
                  header.describe(), " is more than ", kMostUnpacked, " bytes");
    bytes *= static_cast<uint64_t>(extent);
  }
  FLATENN_CHECK(bytes == reader.left(), name, ": damaged NumPy array: ", header.describe(),
                " takes ", bytes, " bytes, ", reader.left(), " are there");
  return header;
}

std::vector<uint8_t> read_npy_bytes(const NpyHeader& header, ZipReader& reader) {
  FLATENN_ASSERT(header.element_bytes() == 1, header.describe());
  std::vector<uint8_t> bytes(reader.left());
  reader.read(bytes);
  return bytes;
}

std::vector<uint16_t> read_npy_labels(const std::string& name, const NpyHeader& header,
                                      ZipReader& reader) {
  FLATENN_CHECK(is_integer(header), name, ": labels must be integers, one an image; this is ",
                header.describe());
  const auto size = static_cast<size_t>(header.element_bytes());
  std::vector<uint8_t> bytes(reader.left());
  reader.read(bytes);
  std::vector<uint16_t> labels(static_cast<size_t>(header.elements()));
  for (size_t i = 0; i < labels.size(); ++i) {
    const int64_t label =
        integer_at(bytes.data() + i * size, size, header.type[0] == '>', header.type[1] == 'i');
    FLATENN_CHECK(label >= 0 && label <= UINT16_MAX, name, ": label of image ", i,
                  " must be in [0, 65535], got ", label);
    labels[i] = static_cast<uint16_t>(label);
  }
  return labels;
}

}  // namespace flatenn::data
