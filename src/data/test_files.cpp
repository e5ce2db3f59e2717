#include "data/test_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>

#include <fstream>

#include "data/png.h"
#include "flatenn/base/error.h"

namespace flatenn::data::testing {
namespace {

std::string big_endian(int64_t word) {
  const auto bits = static_cast<uint32_t>(word);
  return {static_cast<char>(bits >> 24), static_cast<char>(bits >> 16),
          static_cast<char>(bits >> 8), static_cast<char>(bits)};
}

std::string little_endian(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(i < 8 ? value >> (8 * i) : 0);
  return text;
}

uint32_t crc_of(const std::string& content) {
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()));
}

std::string png_chunk(const std::string& kind, const std::string& content) {
  return big_endian(std::ssize(content)) + kind + content + big_endian(crc_of(kind + content));
}

std::string deflated(const std::string& content, int window_bits) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  FLATENN_ASSERT(deflate(&stream, Z_FINISH) == Z_STREAM_END, "deflate");
  packed.resize(packed.size() - stream.avail_out);
  deflateEnd(&stream);
  return packed;
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

std::string png_of_claimed_size(uint32_t width, uint32_t height) {
  const std::string grey_bytes("\x08\0\0\0\0", 5);
  return "\x89PNG\r\n\x1a\n" +
         png_chunk("IHDR", big_endian(width) + big_endian(height) + grey_bytes) +
         png_chunk("IDAT", deflated(std::string(2, '\0'), MAX_WBITS)) + png_chunk("IEND", "");
}

std::string plain_png(int64_t height, int64_t width, uint8_t red, uint8_t green, uint8_t blue) {
  Picture picture{.width = width, .height = height};
  for (int64_t i = 0; i < width * height; ++i) {
    picture.rgb.insert(picture.rgb.end(), {red, green, blue});
  }
  return encode_png(picture);
}

std::string zip_archive(const std::vector<std::pair<std::string, std::string>>& files,
                        bool deflate) {
  std::string archive, directory;
  for (const auto& [name, content] : files) {
    const std::string packed = deflate ? deflated(content, -MAX_WBITS) : content;
    // Version 2.0, no flags, method, time, date, checksum, sizes, lengths of name and extra.
    const std::string shared =
        little_endian(20, 2) + little_endian(0, 2) + little_endian(deflate ? 8 : 0, 2) +
        little_endian(0, 4) + little_endian(crc_of(content), 4) + little_endian(packed.size(), 4) +
        little_endian(content.size(), 4) + little_endian(name.size(), 2) + little_endian(0, 2);
    directory += "PK\1\2" + little_endian(20, 2) + shared + little_endian(0, 2 + 2 + 2 + 4) +
                 little_endian(archive.size(), 4) + name;
    archive += "PK\3\4" + shared + name + packed;
  }
  return archive + directory + "PK\5\6" + little_endian(0, 4) + little_endian(files.size(), 2) +
         little_endian(files.size(), 2) + little_endian(directory.size(), 4) +
         little_endian(archive.size(), 4) + little_endian(0, 2);
}

std::string npy(const std::string& type, const std::string& shape, const std::string& elements) {
  std::string head = "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }";
  head.resize(118 - 1, ' ');
  return "\x93NUMPY" + std::string("\1\0", 2) + little_endian(head.size() + 1, 2) + head + "\n" +
         elements;
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
