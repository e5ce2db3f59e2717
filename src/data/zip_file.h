#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flatenn/base/mapped_file.h"

namespace flatenn::data {

/// A file in a zip archive, as its directory describes it.
struct ZipMember {
  std::string name;
  bool deflated = false;      ///< Else stored as it is.
  uint32_t crc = 0;           ///< Of the content.
  uint64_t packed_bytes = 0;  ///< In the archive.
  uint64_t bytes = 0;         ///< Of the content.
  uint64_t header_at = 0;     ///< Its local header.
};

/// The members of a zip archive (zip64 too), read in place. PKWARE, APPNOTE.TXT 6.3.10.
class ZipFile {
 public:
  /// Throws Error naming the file where it is no whole zip archive, or holds what is not read:
  /// several disks, encryption, or another packing than deflate.
  explicit ZipFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::vector<ZipMember>& members() const { return members_; }
  const ZipMember* find(const std::string& name) const;

  /// The bytes of a member as the archive holds them. Throws Error where they are not all there.
  std::span<const uint8_t> packed(const ZipMember& member) const;

 private:
  std::filesystem::path path_;
  std::shared_ptr<const MappedFile> file_;
  std::vector<ZipMember> members_;
};

/// The content of one member, in order; no more is unpacked than is asked for.
class ZipReader {
 public:
  ZipReader(const ZipFile& zip, const ZipMember& member);
  ~ZipReader();
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;

  /// Fills `to`. Throws Error naming archive and member where there is less, or it is damaged; with
  /// the last byte the checksum is compared.
  void read(std::span<uint8_t> to);
  uint64_t left() const { return left_; }  ///< Bytes of the content still to be read.

 private:
  struct Stream;
  void inflate_into(std::span<uint8_t> to);
  [[noreturn]] void fail(const std::string& what) const;

  std::string name_;
  std::span<const uint8_t> packed_;
  uint32_t expected_crc_;
  uint32_t crc_ = 0;
  uint64_t left_;
  std::unique_ptr<Stream> stream_;  ///< Null where stored.
};

/// Unpacks all members for their checksums. Throws Error naming the first that is damaged.
void check_content(const ZipFile& zip);

}  // namespace flatenn::data
