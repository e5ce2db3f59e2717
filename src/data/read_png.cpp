#include "data/read_png.h"

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <vector>

#include "flatenn/base/error.h"

namespace flatenn::data {
namespace {

/// libpng reports errors by a long jump, which must not pass over destructors: each method that can
/// fail sets its own target and holds nothing that needs one.
class PngReader {
 public:
  PngReader(const std::string& name, std::span<const uint8_t> bytes) : name_(name), left_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    FLATENN_CHECK(info_ != nullptr, name, ": no memory to read a PNG picture");
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  Raster read() {
    succeed(read_header());
    picture_.width = png_get_image_width(png_, info_);
    picture_.height = png_get_image_height(png_, info_);
    check_extent(name_, picture_.width, picture_.height);
    succeed(choose_bytes());
    picture_.channels = png_get_channels(png_, info_);
    const auto row = static_cast<size_t>(picture_.width * picture_.channels);
    FLATENN_ASSERT(png_get_rowbytes(png_, info_) == row, "PNG rows are not bytes");
    picture_.pixels.resize(row * static_cast<size_t>(picture_.height));
    for (int64_t y = 0; y < picture_.height; ++y) {
      rows_.push_back(picture_.pixels.data() + static_cast<size_t>(y) * row);
    }
    succeed(read_rows());
    return std::move(picture_);
  }

 private:
  bool read_header() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;  // NOLINT(cert-err52-cpp)
    png_set_read_fn(png_, this, on_read);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // check_extent() decides
    png_read_info(png_, info_);
    return true;
  }

  bool choose_bytes() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;  // NOLINT(cert-err52-cpp)
    png_set_expand(png_);
    png_set_strip_16(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  bool read_rows() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;  // NOLINT(cert-err52-cpp)
    png_read_image(png_, rows_.data());
    png_read_end(png_, nullptr);
    return true;
  }

  void succeed(bool read) const {
    FLATENN_CHECK(read, name_, ": damaged or cut short PNG picture: ", message_);
  }

  static void on_read(png_structp png, png_bytep to, size_t count) {
    auto& self = *static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > self.left_.size()) png_error(png, "the file ends too early");
    std::copy_n(self.left_.data(), count, to);
    self.left_ = self.left_.subspan(count);
  }
  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto& self = *static_cast<PngReader*>(png_get_error_ptr(png));
    std::snprintf(self.message_, sizeof self.message_, "%s", message);
    std::longjmp(png_jmpbuf(png), 1);  // NOLINT(cert-err52-cpp)
  }
  static void on_warning(png_structp, png_const_charp) {}

  const std::string& name_;
  std::span<const uint8_t> left_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  Raster picture_;
  std::vector<png_bytep> rows_;
  char message_[200] = "";
};

}  // namespace

Raster read_png(const std::string& name, std::span<const uint8_t> bytes) {
  return PngReader(name, bytes).read();
}

}  // namespace flatenn::data
