#include "data/archive_file.h"

#include "data/libarchive.h"

namespace flatenn::data {
namespace {

constexpr size_t kBlockBytes = 1 << 18;
constexpr int64_t kMaxFileBytes = int64_t{1} << 30;  // far above any file of a known data set

std::string damage(archive* reader) {
  const char* reason = libarchive().archive_error_string(reader);
  return std::string("damaged archive: ") + (reason ? reason : "cannot be unpacked");
}

/// Empty where the entry cannot be read.
std::optional<std::vector<uint8_t>> read_entry(archive* reader, archive_entry* entry) {
  const int64_t size = libarchive().archive_entry_size(entry);
  if (size < 0 || size > kMaxFileBytes) return std::nullopt;
  std::vector<uint8_t> content(static_cast<size_t>(size));
  if (libarchive().archive_read_data(reader, content.data(), content.size()) != size)
    return std::nullopt;
  return content;
}

}  // namespace

std::optional<std::string> for_each_archived(
    const std::filesystem::path& path, const std::function<bool(const std::string&)>& wanted,
    const std::function<void(const std::string&, const std::vector<uint8_t>&)>& use) {
  const LibArchive& lib = libarchive();
  const Archive reader = new_archive_reader();
  lib.archive_read_support_format_tar(reader.get());
  lib.archive_read_support_filter_gzip(reader.get());
  if (lib.archive_read_open_filename(reader.get(), path.c_str(), kBlockBytes) != ARCHIVE_OK) {
    return damage(reader.get());
  }
  archive_entry* entry = nullptr;
  int status = ARCHIVE_OK;
  while ((status = lib.archive_read_next_header(reader.get(), &entry)) == ARCHIVE_OK) {
    const char* pathname = lib.archive_entry_pathname(entry);
    const std::string name = std::filesystem::path(pathname ? pathname : "").filename();
    if (lib.archive_entry_filetype(entry) != AE_IFREG || !wanted(name)) continue;
    const auto content = read_entry(reader.get(), entry);
    if (!content) return damage(reader.get());
    use(name, *content);
  }
  if (status != ARCHIVE_EOF) return damage(reader.get());
  return std::nullopt;
}

}  // namespace flatenn::data
