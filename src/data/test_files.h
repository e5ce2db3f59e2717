#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/temporary_folder.h"

/// Small data files for tests.
namespace flatenn::data::testing {

/// A temporary folder whose "cache" holds the pictures that are read meanwhile.
class FolderWithCache : public TemporaryFolder {
 public:
  FolderWithCache() { ::setenv("FLATENN_CACHE", (*this / "cache").c_str(), 1); }
  ~FolderWithCache() { ::unsetenv("FLATENN_CACHE"); }
};

void write_file(const std::filesystem::path& path, const std::string& content);

enum class Packing { kGzip, kXz };
/// `content` compressed as one stream.
std::string pack(const std::string& content, Packing packing);

/// A gz-compressed tar archive of files: (path, content).
void write_tar_gz(const std::filesystem::path& path,
                  const std::vector<std::pair<std::string, std::string>>& files);

/// An IDX file of `count` images; pixel j of image i is (i * 31 + j) mod 256.
std::string idx_images(int64_t count, int64_t height = 28, int64_t width = 28);
std::string idx_labels(const std::vector<uint8_t>& labels);
/// CIFAR-10 records with these labels; byte j of image i is (i * 31 + j) mod 256.
std::string cifar_records(const std::vector<uint8_t>& labels);

/// A PNG file of one grey byte with a right head that claims so many pixels.
std::string png_of_claimed_size(uint32_t width, uint32_t height);
/// A PNG picture of one colour.
std::string plain_png(int64_t height, int64_t width, uint8_t red, uint8_t green, uint8_t blue);

/// A zip archive of files (name, content), stored or deflated.
std::string zip_archive(const std::vector<std::pair<std::string, std::string>>& files,
                        bool deflate = false);
/// A NumPy array file: `type` as "|u1", `shape` as "(2, 3)".
std::string npy(const std::string& type, const std::string& shape, const std::string& elements);

/// Complete little data sets, `count` images in each file, labels 0, 1, ..., 9, 0, ...
void write_idx_set(const std::filesystem::path& folder, int64_t count);
void write_cifar_set(const std::filesystem::path& folder, int64_t count);

std::vector<uint8_t> cycling_labels(int64_t count);

/// The message of the Error that `action` throws; "" where it throws none.
std::string error_of(const std::function<void()>& action);

}  // namespace flatenn::data::testing
