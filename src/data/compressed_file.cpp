#include "data/compressed_file.h"

#include <zlib.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>

#include "data/libarchive.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/hash.h"

namespace flatenn::data {
namespace {

constexpr size_t kBlockBytes = 1 << 18;

int expected_filter(const std::filesystem::path& path) {
  if (path.extension() == ".gz") return ARCHIVE_FILTER_GZIP;
  if (path.extension() == ".xz") return ARCHIVE_FILTER_XZ;
  return ARCHIVE_FILTER_NONE;
}

[[noreturn]] void fail(const std::filesystem::path& path, archive* reader) {
  const char* reason = libarchive().archive_error_string(reader);
  throw Error(path.string() +
              ": damaged or truncated: " + (reason ? reason : "cannot be unpacked"));
}

uint32_t little_endian(const char* bytes) {
  uint32_t word = 0;
  for (int i = 3; i >= 0; --i) word = word << 8 | static_cast<uint8_t>(bytes[i]);
  return word;
}

/// What a gzip file says its content takes, as far as deflate can pack. Memory that grows is
/// copied, and every page of it is new to the kernel.
size_t gzip_content_bytes(const std::string& packed) {
  constexpr size_t kMostDeflated = 1032;
  constexpr size_t kSizeBytes = 4;  // the last of the file; modulo 2^32
  if (packed.size() < kSizeBytes) return 0;
  const size_t said = little_endian(packed.data() + packed.size() - kSizeBytes);
  return std::min(said, packed.size() * kMostDeflated);
}

/// Unpacks gzip members, into memory at once: libarchive hands its content on by copies, and leaves
/// the trailer's checksum unread.
class Gunzip {
 public:
  Gunzip(const std::filesystem::path& path, const std::string& packed) : path_(path) {
    constexpr int kGzip = 16;  // added to the window's bits: gzip, with its checksum
    FLATENN_ASSERT(inflateInit2(&stream_, MAX_WBITS + kGzip) == Z_OK, "inflateInit2");
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    left_ = packed.size();
    content_.resize(gzip_content_bytes(packed));
  }
  ~Gunzip() { inflateEnd(&stream_); }
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;

  std::vector<uint8_t> content() && {
    do {
      unpack_member();
    } while (another_follows());
    content_.resize(used_);
    return std::move(content_);
  }

 private:
  void unpack_member() {
    for (int code = Z_OK; code != Z_STREAM_END;) {
      if (used_ == content_.size()) content_.resize(used_ + used_ / 2 + kBlockBytes);
      stream_.avail_in = piece(left_);
      stream_.avail_out = piece(content_.size() - used_);
      stream_.next_out = content_.data() + used_;
      const uInt in = stream_.avail_in;
      const uInt out = stream_.avail_out;
      code = inflate(&stream_, Z_NO_FLUSH);
      left_ -= in - stream_.avail_in;
      used_ += out - stream_.avail_out;
      check(code);
    }
  }

  bool another_follows() {
    const bool follows = left_ >= 2 && stream_.next_in[0] == 0x1f && stream_.next_in[1] == 0x8b;
    return follows && inflateReset(&stream_) == Z_OK;
  }

  void check(int code) const {
    const bool stuck = code == Z_BUF_ERROR && left_ == 0;
    if ((code == Z_OK || code == Z_BUF_ERROR || code == Z_STREAM_END) && !stuck) return;
    const std::string said = stream_.msg != nullptr ? stream_.msg : "the file ends too early";
    const bool sum = said == "incorrect data check" || said == "incorrect length check";
    throw Error(path_.string() + ": damaged or truncated: " +
                (sum ? "gzip checksum does not match the content" : said));
  }

  static uInt piece(size_t bytes) {
    return static_cast<uInt>(std::min<size_t>(bytes, std::numeric_limits<uInt>::max()));
  }

  const std::filesystem::path& path_;
  z_stream stream_{};
  size_t left_ = 0;
  std::vector<uint8_t> content_;
  size_t used_ = 0;
};

std::vector<uint8_t> unpack(const std::filesystem::path& path, int filter) {
  const LibArchive& lib = libarchive();
  const Archive reader = new_archive_reader();
  lib.archive_read_support_format_raw(reader.get());
  lib.archive_read_append_filter(reader.get(), filter);
  archive_entry* entry = nullptr;
  if (lib.archive_read_open_filename(reader.get(), path.c_str(), kBlockBytes) != ARCHIVE_OK ||
      lib.archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) {
    fail(path, reader.get());
  }
  std::vector<uint8_t> content;
  content.reserve(std::filesystem::file_size(path) + kBlockBytes);
  size_t used = 0;
  while (true) {
    content.resize(used + kBlockBytes);
    const la_ssize_t got = lib.archive_read_data(reader.get(), content.data() + used, kBlockBytes);
    if (got < 0) fail(path, reader.get());
    if (got == 0) break;
    used += static_cast<size_t>(got);
  }
  content.resize(used);
  return content;
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
  if (filter == ARCHIVE_FILTER_GZIP) return Gunzip(path, read_file(path)).content();
  return unpack(path, filter);
}

std::string content_sha256(std::span<const uint8_t> content) {
  Hasher hasher;
  hasher.update(std::as_bytes(content));
  return hasher.hex_digest();
}

}  // namespace flatenn::data
