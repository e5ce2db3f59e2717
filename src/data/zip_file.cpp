#include "data/zip_file.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "flatenn/base/error.h"

namespace flatenn::data {
namespace {

constexpr uint32_t kLocalMagic = 0x04034b50;
constexpr uint32_t kDirectoryMagic = 0x02014b50;
constexpr uint32_t kEndMagic = 0x06054b50;
constexpr uint32_t kEnd64Magic = 0x06064b50;
constexpr uint32_t kLocator64Magic = 0x07064b50;
constexpr size_t kLocalBytes = 30;
constexpr size_t kDirectoryBytes = 46;
constexpr size_t kEndBytes = 22;
constexpr size_t kEnd64Bytes = 56;
constexpr size_t kLocator64Bytes = 20;
constexpr uint32_t kIn64 = 0xFFFFFFFF;  ///< The number stands in the zip64 part.
constexpr size_t kMostMembers = 10000;

/// Little-endian numbers of a part of the file that was checked to be there.
class Fields {
 public:
  explicit Fields(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  uint64_t get(size_t at, size_t size) const {
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | bytes_[at + i];
    return value;
  }
  uint16_t u16(size_t at) const { return static_cast<uint16_t>(get(at, 2)); }
  uint32_t u32(size_t at) const { return static_cast<uint32_t>(get(at, 4)); }
  uint64_t u64(size_t at) const { return get(at, 8); }

 private:
  std::span<const uint8_t> bytes_;
};

struct Directory {
  uint64_t entries = 0;
  uint64_t at = 0;
};

/// Reads the directory at the end of an archive.
class DirectoryReader {
 public:
  DirectoryReader(const std::string& name, std::span<const uint8_t> bytes)
      : name_(name), bytes_(bytes) {}

  std::vector<ZipMember> read() {
    const Directory directory = find();
    FLATENN_CHECK(directory.entries <= kMostMembers, name_, ": a zip archive of ",
                  directory.entries, " members; at most ", kMostMembers, " are read");
    std::vector<ZipMember> members;
    uint64_t at = directory.at;
    for (uint64_t i = 0; i < directory.entries; ++i) members.push_back(read_member(at));
    return members;
  }

 private:
  std::span<const uint8_t> part(uint64_t at, uint64_t size) const {
    FLATENN_CHECK(at <= bytes_.size() && size <= bytes_.size() - at, name_,
                  ": damaged or truncated zip archive");
    return bytes_.subspan(at, size);
  }

  Directory find() const {
    // A comment of at most 65,535 bytes may follow.
    const size_t furthest = std::min<size_t>(bytes_.size(), kEndBytes + 0xFFFF);
    for (size_t back = kEndBytes; back <= furthest; ++back) {
      const size_t at = bytes_.size() - back;
      const Fields end(bytes_.subspan(at, kEndBytes));
      if (end.u32(0) != kEndMagic) continue;
      if (end.u16(10) == 0xFFFF || end.u32(16) == kIn64) return find64(at);
      return {.entries = end.u16(10), .at = end.u32(16)};
    }
    throw Error(name_ + ": not a whole zip archive: its directory is missing");
  }

  Directory find64(size_t end_at) const {
    FLATENN_CHECK(end_at >= kLocator64Bytes, name_, ": damaged zip archive");
    const Fields locator(part(end_at - kLocator64Bytes, kLocator64Bytes));
    FLATENN_CHECK(locator.u32(0) == kLocator64Magic, name_, ": damaged zip archive");
    const Fields end(part(locator.u64(8), kEnd64Bytes));
    FLATENN_CHECK(end.u32(0) == kEnd64Magic, name_, ": damaged zip archive");
    return {.entries = end.u64(32), .at = end.u64(48)};
  }

  ZipMember read_member(uint64_t& at) const {
    const Fields entry(part(at, kDirectoryBytes));
    FLATENN_CHECK(entry.u32(0) == kDirectoryMagic, name_, ": damaged zip archive");
    const auto name = part(at + kDirectoryBytes, entry.u16(28));
    const auto extra = part(at + kDirectoryBytes + name.size(), entry.u16(30));
    at += kDirectoryBytes + name.size() + extra.size() + entry.u16(32);
    ZipMember member{.name = {name.begin(), name.end()},
                     .deflated = entry.u16(10) == 8,
                     .crc = entry.u32(16),
                     .packed_bytes = entry.u32(20),
                     .bytes = entry.u32(24),
                     .header_at = entry.u32(42)};
    FLATENN_CHECK((entry.u16(8) & 1) == 0, name_, ": ", member.name, " is encrypted");
    FLATENN_CHECK(entry.u16(10) == 0 || entry.u16(10) == 8, name_, ": ", member.name,
                  " is packed by method ", entry.u16(10), "; stored and deflated ones are read");
    take_large_numbers(extra, member);
    return member;
  }

  /// Those of content, packed content and place that stand in the zip64 part, in this order.
  void take_large_numbers(std::span<const uint8_t> extra, ZipMember& member) const {
    uint64_t* const numbers[] = {&member.bytes, &member.packed_bytes, &member.header_at};
    while (extra.size() >= 4) {
      const Fields head(extra);
      const size_t size = head.u16(2);
      FLATENN_CHECK(size <= extra.size() - 4, name_, ": damaged zip archive");
      if (head.u16(0) == 1) {
        size_t at = 4;
        for (uint64_t* const number : numbers) {
          if (*number != kIn64) continue;
          FLATENN_CHECK(at + 8 <= size + 4, name_, ": damaged zip archive");
          *number = head.u64(at);
          at += 8;
        }
      }
      extra = extra.subspan(4 + size);
    }
  }

  const std::string& name_;
  std::span<const uint8_t> bytes_;
};

std::span<const uint8_t> bytes_of(const MappedFile& file) {
  return {reinterpret_cast<const uint8_t*>(file.data()), file.size()};
}

}  // namespace

ZipFile::ZipFile(const std::filesystem::path& path) : path_(path), file_(MappedFile::open(path)) {
  members_ = DirectoryReader(path.string(), bytes_of(*file_)).read();
}

const ZipMember* ZipFile::find(const std::string& name) const {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [&](const ZipMember& member) { return member.name == name; });
  return found == members_.end() ? nullptr : &*found;
}

std::span<const uint8_t> ZipFile::packed(const ZipMember& member) const {
  const auto bytes = bytes_of(*file_);
  const auto there = [&](uint64_t at, uint64_t size) {
    return at <= bytes.size() && size <= bytes.size() - at;
  };
  FLATENN_CHECK(there(member.header_at, kLocalBytes), path_.string(), ": ", member.name,
                " lies outside of the file");
  const Fields header(bytes.subspan(member.header_at, kLocalBytes));
  FLATENN_CHECK(header.u32(0) == kLocalMagic, path_.string(), ": ", member.name,
                ": damaged zip archive");
  const uint64_t at = member.header_at + kLocalBytes + header.u16(26) + header.u16(28);
  FLATENN_CHECK(there(at, member.packed_bytes), path_.string(), ": ", member.name,
                " lies outside of the file");
  return bytes.subspan(at, member.packed_bytes);
}

struct ZipReader::Stream {
  z_stream z{};
};

ZipReader::ZipReader(const ZipFile& zip, const ZipMember& member)
    : name_(zip.path().string() + ": " + member.name),
      packed_(zip.packed(member)),
      expected_crc_(member.crc),
      left_(member.bytes) {
  if (!member.deflated) {
    if (member.bytes != member.packed_bytes) fail("its sizes contradict each other");
    return;
  }
  stream_ = std::make_unique<Stream>();
  FLATENN_ASSERT(inflateInit2(&stream_->z, -MAX_WBITS) == Z_OK, "inflateInit2");
}

ZipReader::~ZipReader() {
  if (stream_) inflateEnd(&stream_->z);
}

void ZipReader::fail(const std::string& what) const {
  throw Error(name_ + ": damaged or truncated: " + what);
}

void ZipReader::read(std::span<uint8_t> to) {
  if (to.size() > left_) fail("it ends too early");
  left_ -= to.size();
  if (stream_) {
    inflate_into(to);
  } else {
    std::copy_n(packed_.begin(), to.size(), to.begin());
    packed_ = packed_.subspan(to.size());
  }
  // zlib takes a null pointer, as that of nothing is, for a new sum.
  if (!to.empty()) crc_ = static_cast<uint32_t>(crc32_z(crc_, to.data(), to.size()));
  if (left_ == 0 && crc_ != expected_crc_) fail("its checksum does not match its content");
}

void ZipReader::inflate_into(std::span<uint8_t> to) {
  constexpr size_t kPiece = std::numeric_limits<uInt>::max();
  z_stream& z = stream_->z;
  while (!to.empty()) {
    z.next_in = const_cast<Bytef*>(packed_.data());
    z.avail_in = static_cast<uInt>(std::min(packed_.size(), kPiece));
    z.next_out = to.data();
    z.avail_out = static_cast<uInt>(std::min(to.size(), kPiece));
    const uInt in = z.avail_in;
    const uInt out = z.avail_out;
    const int code = inflate(&z, Z_NO_FLUSH);
    packed_ = packed_.subspan(in - z.avail_in);
    const size_t made = out - z.avail_out;
    to = to.subspan(made);
    if (code == Z_OK && (made > 0 || z.avail_in < in)) continue;
    if (code == Z_STREAM_END && to.empty()) break;
    fail(z.msg != nullptr ? z.msg : "it ends too early");
  }
}

void check_content(const ZipFile& zip) {
  std::vector<uint8_t> room(size_t{1} << 16);
  for (const ZipMember& member : zip.members()) {
    ZipReader reader(zip, member);
    while (reader.left() > 0) {
      reader.read(std::span(room).first(std::min<uint64_t>(room.size(), reader.left())));
    }
  }
}

}  // namespace flatenn::data
