#include "data/picture_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "data/load_monitor.h"
#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/base/mapped_file.h"
#include "flatenn/base/parallel.h"

namespace flatenn::data {
namespace {

/// A file of the cache: a head of this size (a line that names the form, then JSON, then zeros),
/// then the pixels of all images.
constexpr size_t kHeadBytes = 4096;
constexpr const char* kMagic = "flatenn pictures 1\n";

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what, int error) {
  throw Error(path.string() + ": " + what + ": " + std::strerror(error));
}

/// A file without a name, that gets one when it is whole.
class NamelessFile {
 public:
  NamelessFile(std::filesystem::path path, size_t bytes) : path_(std::move(path)) {
    file_ = ::open(path_.parent_path().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
    if (file_ < 0) open_named();
    const int error = ::posix_fallocate(file_, 0, static_cast<off_t>(bytes));
    if (error == 0) return;
    discard();
    fail(path_.parent_path(), detail::concat("no room for ", bytes, " bytes of decoded pictures"),
         error);
  }
  ~NamelessFile() { discard(); }
  NamelessFile(const NamelessFile&) = delete;
  NamelessFile& operator=(const NamelessFile&) = delete;

  void write(const void* from, size_t bytes, size_t at) {
    const auto* next = static_cast<const char*>(from);
    while (bytes > 0) {
      const ssize_t written = ::pwrite(file_, next, bytes, static_cast<off_t>(at));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) fail(path_, "cannot be written", errno);
      next += written;
      at += static_cast<size_t>(written);
      bytes -= static_cast<size_t>(written);
    }
  }

  std::shared_ptr<const MappedFile> map() const {
    return MappedFile::open("/proc/self/fd/" + std::to_string(file_));
  }

  void name_it() {
    if (::fsync(file_) != 0) fail(path_, "cannot be written", errno);
    if (partial_.empty()) {
      partial_ = partial_name();
      const std::string self = "/proc/self/fd/" + std::to_string(file_);
      if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, partial_.c_str(), AT_SYMLINK_FOLLOW) != 0) {
        partial_.clear();
        fail(path_, "cannot be made", errno);
      }
    }
    if (::rename(partial_.c_str(), path_.c_str()) != 0) fail(path_, "cannot be made", errno);
    partial_.clear();
  }

 private:
  std::string partial_name() const {
    return path_.string() + ".partial-" + std::to_string(::getpid());
  }
  void open_named() {  // file systems without O_TMPFILE
    partial_ = partial_name();
    file_ = ::open(partial_.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);
    if (file_ < 0) fail(partial_, "cannot be made", errno);
  }
  void discard() {
    if (file_ >= 0) ::close(file_);
    file_ = -1;
    if (!partial_.empty()) ::unlink(partial_.c_str());
    partial_.clear();
  }

  std::filesystem::path path_;
  std::string partial_;  ///< Its name where it has one already.
  int file_ = -1;
};

std::filesystem::path file_of(const std::string& key) {
  const std::filesystem::path folder = cache_folder() / "pictures";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  FLATENN_CHECK(!error, folder.string(), ": cannot be made: ", error.message(),
                "; FLATENN_CACHE names another folder for decoded pictures");
  return folder / key;
}

std::string make_head(const ImageSet& images, const PixelSums& sums) {
  const nlohmann::json json{{"count", images.count},      {"channels", images.channels},
                            {"height", images.height},    {"width", images.width},
                            {"values", sums.values},      {"squares", sums.squares},
                            {"hash", images.content_hash}};
  std::string head = kMagic + json.dump();
  FLATENN_ASSERT(head.size() < kHeadBytes, "picture cache: a head of ", head.size(), " bytes");
  head.resize(kHeadBytes);
  return head;
}

/// False where the head is not one of this program's, of this many images.
bool read_head(std::string_view head, ImageSet& images, PixelSums& sums) {
  if (!head.starts_with(kMagic)) return false;
  head.remove_prefix(std::strlen(kMagic));
  const auto json = nlohmann::json::parse(head.substr(0, head.find('\0')), nullptr, false);
  if (!json.is_object()) return false;
  try {
    if (json.at("count") != images.count) return false;
    json.at("channels").get_to(images.channels);
    json.at("height").get_to(images.height);
    json.at("width").get_to(images.width);
    json.at("values").get_to(sums.values);
    json.at("squares").get_to(sums.squares);
    json.at("hash").get_to(images.content_hash);
  } catch (const nlohmann::json::exception&) {
    return false;
  }
  sums.pixels = images.count * images.height * images.width;
  return true;
}

bool open_cached(const std::filesystem::path& path, ImageSet& images, PixelSums& sums) {
  std::error_code none;
  const uintmax_t size = std::filesystem::file_size(path, none);
  if (none || size <= kHeadBytes) return false;
  const auto file = MappedFile::open(path);
  const auto* bytes = reinterpret_cast<const char*>(file->data());
  const bool good = read_head({bytes, kHeadBytes}, images, sums);
  const auto pixels = static_cast<size_t>(images.count * images.image_elements());
  if (!good || file->size() != kHeadBytes + pixels) {
    log::info(path.string(), ": is not whole and is made anew");
    return false;
  }
  images.pixels = {file, reinterpret_cast<const uint8_t*>(bytes) + kHeadBytes, pixels};
  return true;
}

/// [height, width, channels] to [channels, height, width].
std::vector<uint8_t> planes_of(const Raster& picture) {
  std::vector<uint8_t> planes(picture.pixels.size());
  const auto plane = static_cast<size_t>(picture.width * picture.height);
  const auto channels = static_cast<size_t>(picture.channels);
  for (size_t c = 0; c < channels; ++c) {
    for (size_t at = 0; at < plane; ++at) {
      planes[c * plane + at] = picture.pixels[at * channels + c];
    }
  }
  return planes;
}

/// Decodes all pictures into a file.
class Decoder {
 public:
  Decoder(const PictureStack& stack, const LoadOptions& options, ImageSet& images)
      : stack_(stack), options_(options), images_(images) {
    const Raster first = stack_.picture(0);
    images_.channels = stack_.channels;
    images_.height = first.height;
    images_.width = first.width;
  }

  void decode_into(const std::filesystem::path& path, PixelSums& sums) {
    const auto pixels = static_cast<size_t>(images_.count * images_.image_elements());
    NamelessFile file(path, kHeadBytes + pixels);
    {
      LoadMonitor monitor("decode " + stack_.title, images_.count, options_);
      parallel_for(images_.count, resolve_threads(0), [&](int64_t i) {
        take(i, file, sums);
        monitor.advance();
      });
    }
    images_.content_hash = hash_of(file, pixels);
    if (stack_.check_unchanged) stack_.check_unchanged();
    file.write(make_head(images_, sums).data(), kHeadBytes, 0);
    file.name_it();
  }

 private:
  void take(int64_t index, NamelessFile& file, PixelSums& sums) {
    const Raster picture = stack_.picture(index);
    FLATENN_CHECK(picture.width == images_.width && picture.height == images_.height,
                  stack_.name(index), ": is ", picture.height, "x", picture.width, ", but ",
                  stack_.name(0), " is ", images_.height, "x", images_.width,
                  "; state resize and crop in a data.toml");
    const std::vector<uint8_t> planes = planes_of(picture);
    file.write(planes.data(), planes.size(),
               kHeadBytes + static_cast<size_t>(index) * planes.size());
    PixelSums own;
    own.add(planes.data(), 1, images_.channels, images_.height * images_.width);
    const std::lock_guard lock(mutex_);
    sums.add(own);
  }

  /// Labels are hashed with the pixels, which the file holds.
  std::string hash_of(const NamelessFile& file, size_t pixels) {
    const auto mapped = file.map();
    const auto* bytes = reinterpret_cast<const uint8_t*>(mapped->data()) + kHeadBytes;
    images_.pixels = {mapped, bytes, pixels};
    return content_hash(images_);
  }

  const PictureStack& stack_;
  const LoadOptions& options_;
  ImageSet& images_;
  std::mutex mutex_;
};

}  // namespace

void fill_from_cache(const PictureStack& stack, const LoadOptions& options, ImageSet& images,
                     PixelSums& sums) {
  images.count = std::ssize(images.labels);
  const std::filesystem::path path = file_of(stack.key);
  if (open_cached(path, images, sums)) return;
  sums = {};
  Decoder(stack, options, images).decode_into(path, sums);
  FLATENN_CHECK(open_cached(path, images, sums), path.string(), ": cannot be read back");
}

}  // namespace flatenn::data
