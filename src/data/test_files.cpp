#include "data/test_files.h"

#include <archive.h>
#include <archive_entry.h>

#include <fstream>

#include "flatenn/base/error.h"

namespace flatenn::data::testing {
namespace {

std::string big_endian(int64_t word) {
  const auto bits = static_cast<uint32_t>(word);
  return {static_cast<char>(bits >> 24), static_cast<char>(bits >> 16),
          static_cast<char>(bits >> 8), static_cast<char>(bits)};
}

char pattern(int64_t image, int64_t element) { return static_cast<char>(image * 31 + element); }

}  // namespace

void write_file(const std::filesystem::path& path, const std::string& content) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

std::string pack(const std::string& content, Packing packing) {
  std::string packed(content.size() + 4096, '\0');
  size_t used = 0;
  archive* writer = archive_write_new();
  archive_write_set_format_raw(writer);
  archive_write_set_bytes_per_block(writer, 0);
  archive_write_add_filter(writer,
                           packing == Packing::kGzip ? ARCHIVE_FILTER_GZIP : ARCHIVE_FILTER_XZ);
  archive_write_open_memory(writer, packed.data(), packed.size(), &used);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_write_header(writer, entry);
  archive_entry_free(entry);
  FLATENN_ASSERT(archive_write_data(writer, content.data(), content.size()) ==
                     static_cast<la_ssize_t>(content.size()),
                 "packing failed");
  archive_write_close(writer);
  archive_write_free(writer);
  packed.resize(used);
  return packed;
}

void write_tar_gz(const std::filesystem::path& path,
                  const std::vector<std::pair<std::string, std::string>>& files) {
  archive* writer = archive_write_new();
  archive_write_set_format_ustar(writer);
  archive_write_add_filter_gzip(writer);
  FLATENN_ASSERT(archive_write_open_filename(writer, path.c_str()) == ARCHIVE_OK, path.string());
  for (const auto& [name, content] : files) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, static_cast<int64_t>(content.size()));
    archive_write_header(writer, entry);
    archive_write_data(writer, content.data(), content.size());
    archive_entry_free(entry);
  }
  archive_write_close(writer);
  archive_write_free(writer);
}

std::string idx_images(int64_t count, int64_t height, int64_t width) {
  std::string file = big_endian(0x803) + big_endian(count) + big_endian(height) + big_endian(width);
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t j = 0; j < height * width; ++j) file += pattern(i, j);
  }
  return file;
}

std::string idx_labels(const std::vector<uint8_t>& labels) {
  return big_endian(0x801) + big_endian(static_cast<int64_t>(labels.size())) +
         std::string(labels.begin(), labels.end());
}

std::string cifar_records(const std::vector<uint8_t>& labels) {
  std::string file;
  for (size_t i = 0; i < labels.size(); ++i) {
    file += static_cast<char>(labels[i]);
    for (int64_t j = 0; j < 3072; ++j) file += pattern(static_cast<int64_t>(i), j);
  }
  return file;
}

std::vector<uint8_t> cycling_labels(int64_t count) {
  std::vector<uint8_t> labels;
  for (int64_t i = 0; i < count; ++i) labels.push_back(static_cast<uint8_t>(i % 10));
  return labels;
}

void write_idx_set(const std::filesystem::path& folder, int64_t count) {
  for (const std::string split : {"train", "t10k"}) {
    write_file(folder / (split + "-images-idx3-ubyte"), idx_images(count));
    write_file(folder / (split + "-labels-idx1-ubyte"), idx_labels(cycling_labels(count)));
  }
}

void write_cifar_set(const std::filesystem::path& folder, int64_t count) {
  const std::string records = cifar_records(cycling_labels(count));
  for (const char* name : {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4",
                           "data_batch_5", "test_batch"}) {
    write_file(folder / (std::string(name) + ".bin"), records);
  }
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace flatenn::data::testing
