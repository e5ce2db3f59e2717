#include "data/compressed_file.h"

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <optional>

#include "flatenn/base/error.h"
#include "flatenn/base/hash.h"

namespace flatenn::data {
namespace {

using Archive = std::unique_ptr<archive, decltype(&archive_read_free)>;

constexpr size_t kBlockBytes = 1 << 18;

int expected_filter(const std::filesystem::path& path) {
  if (path.extension() == ".gz") return ARCHIVE_FILTER_GZIP;
  if (path.extension() == ".xz") return ARCHIVE_FILTER_XZ;
  return ARCHIVE_FILTER_NONE;
}

[[noreturn]] void fail(const std::filesystem::path& path, archive* reader) {
  const char* reason = archive_error_string(reader);
  throw Error(path.string() +
              ": damaged or truncated: " + (reason ? reason : "cannot be unpacked"));
}

uint32_t little_endian(const uint8_t* bytes) {
  return bytes[0] | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16 | uint32_t{bytes[3]} << 24;
}

/// What a gzip file ends with, of its content; nothing where the file is shorter.
struct GzipTrailer {
  uint32_t crc = 0;
  uint32_t bytes = 0;  ///< Modulo 2^32.
};

std::optional<GzipTrailer> gzip_trailer(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  uint8_t trailer[8] = {};
  file.seekg(-8, std::ios::end);
  file.read(reinterpret_cast<char*>(trailer), sizeof trailer);
  if (!file) return std::nullopt;
  return GzipTrailer{little_endian(trailer), little_endian(trailer + 4)};
}

/// What a gzip file says its content takes, as far as deflate can pack; else the file's own size.
/// Memory that grows is copied, and every page of it is new to the kernel.
size_t expected_bytes(const std::filesystem::path& path, int filter) {
  constexpr size_t kMostDeflated = 1032;
  const size_t packed = std::filesystem::file_size(path);
  if (filter != ARCHIVE_FILTER_GZIP) return packed;
  return std::min<size_t>(gzip_trailer(path).value_or(GzipTrailer{}).bytes, packed * kMostDeflated);
}

std::vector<uint8_t> unpack(const std::filesystem::path& path, int filter) {
  const Archive reader(archive_read_new(), archive_read_free);
  archive_read_support_format_raw(reader.get());
  archive_read_append_filter(reader.get(), filter);
  archive_entry* entry = nullptr;
  if (archive_read_open_filename(reader.get(), path.c_str(), kBlockBytes) != ARCHIVE_OK ||
      archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) {
    fail(path, reader.get());
  }
  std::vector<uint8_t> content;
  content.reserve(expected_bytes(path, filter) + kBlockBytes);
  size_t used = 0;
  while (true) {
    content.resize(used + kBlockBytes);
    const la_ssize_t got = archive_read_data(reader.get(), content.data() + used, kBlockBytes);
    if (got < 0) fail(path, reader.get());
    if (got == 0) break;
    used += static_cast<size_t>(got);
  }
  content.resize(used);
  return content;
}

/// libarchive skips gzip's trailer unread: the CRC and size of the content.
void check_gzip_trailer(const std::filesystem::path& path, const std::vector<uint8_t>& content) {
  const std::optional<GzipTrailer> trailer = gzip_trailer(path);
  FLATENN_CHECK(trailer, path.string(), ": damaged or truncated: no gzip trailer");
  const auto size = static_cast<uint32_t>(content.size());
  const auto crc = static_cast<uint32_t>(crc32_z(0, content.data(), content.size()));
  FLATENN_CHECK(trailer->bytes == size && trailer->crc == crc, path.string(),
                ": damaged or truncated: gzip checksum does not match the content");
}

/// First bytes of the format the name promises, so that a wrong file is called wrong, not damaged.
void check_signature(const std::filesystem::path& path, int filter) {
  if (filter == ARCHIVE_FILTER_NONE) return;
  const std::string expected = filter == ARCHIVE_FILTER_GZIP ? "\x1f\x8b" : "\xfd\x37zXZ";
  std::string got(expected.size(), '\0');
  std::ifstream(path, std::ios::binary).read(got.data(), static_cast<std::streamsize>(got.size()));
  FLATENN_CHECK(got == expected, path.string(), ": not a ",
                filter == ARCHIVE_FILTER_GZIP ? "gzip" : "xz", " file");
}

}  // namespace

std::optional<std::filesystem::path> find_packed(const std::filesystem::path& folder,
                                                 const std::string& name) {
  for (const char* suffix : {"", ".gz", ".xz"}) {
    std::filesystem::path path = folder / (name + suffix);
    if (std::filesystem::is_regular_file(path)) return path;
  }
  return std::nullopt;
}

std::vector<uint8_t> read_unpacked(const std::filesystem::path& path) {
  std::error_code failed;
  const auto size = std::filesystem::file_size(path, failed);
  FLATENN_CHECK(!failed, path.string(), ": cannot be read: ", failed.message());
  FLATENN_CHECK(size > 0, path.string(), ": is empty");
  const int filter = expected_filter(path);
  check_signature(path, filter);
  std::vector<uint8_t> content = unpack(path, filter);
  if (filter == ARCHIVE_FILTER_GZIP) check_gzip_trailer(path, content);
  return content;
}

std::string content_sha256(std::span<const uint8_t> content) {
  Hasher hasher;
  hasher.update(std::as_bytes(content));
  return hasher.hex_digest();
}

}  // namespace flatenn::data
