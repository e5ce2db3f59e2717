#include "data/read_jpeg.h"

#include <cstddef>
#include <cstdio>
// It needs the two above.
#include <jpeglib.h>
// And this, what that one says of arithmetic coding.
#include <jerror.h>

#include <algorithm>
#include <csetjmp>
#include <vector>

#include "flatenn/base/error.h"

namespace flatenn::data {
namespace {

/// A file of a few kilobytes can hold thousands of scans, each as long as a whole picture.
constexpr int kMostScans = 500;

/// What libjpeg calls a warning and fills with grey: data that is missing or cannot be decoded.
bool is_damage(int code) {
  return code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
         code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC;
}

/// libjpeg reports errors by a long jump, which must not pass over destructors: each method that
/// can fail sets its own target and holds nothing that needs one.
class JpegReader {
 public:
  JpegReader(const std::string& name, std::span<const uint8_t> bytes) : name_(name) {
    jpeg_.err = jpeg_std_error(&errors_);
    errors_.error_exit = on_error;
    errors_.emit_message = on_message;
    progress_.progress_monitor = on_progress;
    jpeg_.client_data = this;
    succeed(create(bytes));
  }
  ~JpegReader() { jpeg_destroy_decompress(&jpeg_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  Raster read() {
    succeed(read_header());
    check_extent(name_, jpeg_.image_width, jpeg_.image_height);
    succeed(start());
    picture_.width = jpeg_.output_width;
    picture_.height = jpeg_.output_height;
    picture_.channels = jpeg_.output_components;
    picture_.pixels.resize(
        static_cast<size_t>(picture_.width * picture_.height * picture_.channels));
    succeed(read_rows());
    if (jpeg_.out_color_space == JCS_CMYK) make_rgb();
    return std::move(picture_);
  }

 private:
  bool create(std::span<const uint8_t> bytes) {
    if (setjmp(target_) != 0) return false;  // NOLINT(cert-err52-cpp)
    jpeg_create_decompress(&jpeg_);
    jpeg_.progress = &progress_;
    jpeg_mem_src(&jpeg_, bytes.data(), static_cast<unsigned long>(bytes.size()));
    return true;
  }

  bool read_header() {
    if (setjmp(target_) != 0) return false;  // NOLINT(cert-err52-cpp)
    jpeg_read_header(&jpeg_, TRUE);
    return true;
  }

  bool start() {
    if (setjmp(target_) != 0) return false;  // NOLINT(cert-err52-cpp)
    const J_COLOR_SPACE stored = jpeg_.jpeg_color_space;
    jpeg_.out_color_space = stored == JCS_GRAYSCALE                    ? JCS_GRAYSCALE
                            : stored == JCS_CMYK || stored == JCS_YCCK ? JCS_CMYK
                                                                       : JCS_RGB;
    jpeg_start_decompress(&jpeg_);
    return true;
  }

  bool read_rows() {
    if (setjmp(target_) != 0) return false;  // NOLINT(cert-err52-cpp)
    const int64_t row_bytes = picture_.width * picture_.channels;
    while (jpeg_.output_scanline < jpeg_.output_height) {
      JSAMPROW row = picture_.pixels.data() + jpeg_.output_scanline * row_bytes;
      jpeg_read_scanlines(&jpeg_, &row, 1);
    }
    jpeg_finish_decompress(&jpeg_);
    return true;
  }

  /// Stored are 255 - C, M, Y, K.
  void make_rgb() {
    std::vector<uint8_t> rgb(picture_.pixels.size() / 4 * 3);
    const uint8_t* from = picture_.pixels.data();
    for (size_t at = 0; at < rgb.size(); at += 3, from += 4) {
      const uint32_t light = from[3];
      for (size_t c = 0; c < 3; ++c) {
        rgb[at + c] = static_cast<uint8_t>(light - blend(255U - from[c], light));
      }
    }
    picture_.channels = 3;
    picture_.pixels = std::move(rgb);
  }

  void succeed(bool read) const {
    FLATENN_CHECK(read, name_, ": damaged or cut short JPEG picture: ", message_);
  }

  static JpegReader& self(j_common_ptr jpeg) {
    return *static_cast<JpegReader*>(jpeg->client_data);
  }
  [[noreturn]] void give_up(const char* message) {
    std::snprintf(message_, sizeof message_, "%s", message);
    std::longjmp(target_, 1);  // NOLINT(cert-err52-cpp)
  }
  [[noreturn]] static void on_error(j_common_ptr jpeg) {
    char message[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, message);
    self(jpeg).give_up(message);
  }
  static void on_message(j_common_ptr jpeg, int level) {
    if (level < 0 && is_damage(jpeg->err->msg_code)) on_error(jpeg);
  }
  static void on_progress(j_common_ptr jpeg) {
    if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number > kMostScans) {
      self(jpeg).give_up("it has more than 500 scans");
    }
  }

  const std::string& name_;
  jpeg_decompress_struct jpeg_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf target_{};
  Raster picture_;
  char message_[JMSG_LENGTH_MAX] = "";
};

}  // namespace

Raster read_jpeg(const std::string& name, std::span<const uint8_t> bytes) {
  return JpegReader(name, bytes).read();
}

}  // namespace flatenn::data
