#include "data/download.h"

#include <curl/curl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>

#include "data/late_library.h"
#include "flatenn/base/error.h"
#include "flatenn/base/progress.h"
#include "flatenn/base/version.h"

namespace flatenn::data {
namespace {

/// The functions of libcurl that are used here.
struct LibCurl {
  LateLibrary library{"libcurl.so.4", FLATENN_LIBCURL_FILE, "downloading"};
  FLATENN_LATE(library, curl_easy_cleanup);
  FLATENN_LATE(library, curl_easy_getinfo);
  FLATENN_LATE(library, curl_easy_init);
  FLATENN_LATE(library, curl_easy_perform);
  FLATENN_LATE(library, curl_easy_setopt);
  FLATENN_LATE(library, curl_easy_strerror);
  FLATENN_LATE(library, curl_global_init);
};

const LibCurl& libcurl() {
  static const LibCurl functions;
  return functions;
}

/// The part file of one attempt and what its callbacks need.
class Transfer {
 public:
  Transfer(std::filesystem::path part, std::string title, bool quiet)
      : part_(std::move(part)), title_(std::move(title)), quiet_(quiet) {
    file_.reset(std::fopen(part_.c_str(), "ab"));
    if (!file_) fail();
    offset_ = static_cast<int64_t>(std::filesystem::file_size(part_));
  }

  int64_t offset() const { return offset_; }

  static size_t write(char* bytes, size_t size, size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const size_t written = std::fwrite(bytes, size, count, transfer.file_.get());
    if (written != count) transfer.write_errno_ = errno;
    return written * size;
  }

  static int report(void* self, curl_off_t total, curl_off_t now, curl_off_t, curl_off_t) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (total <= 0) return 0;
    if (!transfer.progress_) transfer.start_progress(total);
    transfer.progress_->advance(now - transfer.reported_);
    transfer.reported_ = now;
    return 0;
  }

  /// Throws where the disk took less than what came.
  void close() {
    progress_.reset();
    if (write_errno_ == 0 &&
        (std::fflush(file_.get()) != 0 || ::fsync(::fileno(file_.get())) != 0)) {
      write_errno_ = errno;
    }
    file_.reset();
    if (write_errno_ != 0) {
      errno = write_errno_;
      fail();
    }
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  void start_progress(curl_off_t total) {
    progress_ = std::make_unique<Progress>(Progress::Options{.title = title_,
                                                             .total = offset_ + total,
                                                             .unit = "bytes",
                                                             .done_before = offset_,
                                                             .quiet = quiet_});
  }

  [[noreturn]] void fail() const {
    throw Error(detail::concat(part_.string(), ": cannot be written: ", std::strerror(errno)));
  }

  std::filesystem::path part_;
  std::string title_;
  bool quiet_;
  int64_t offset_ = 0;
  int64_t reported_ = 0;
  int write_errno_ = 0;
  std::unique_ptr<std::FILE, Close> file_;
  std::unique_ptr<Progress> progress_;
};

enum class Outcome { kDone, kNoResume, kBrokeOff, kGaveUp };

struct Attempt {
  Outcome outcome;
  std::string reason;
};

using Handle = std::unique_ptr<CURL, decltype(&::curl_easy_cleanup)>;

Handle make_handle(const std::string& url, const DownloadOptions& options) {
  const LibCurl& lib = libcurl();
  static const CURLcode ready = lib.curl_global_init(CURL_GLOBAL_DEFAULT);
  FLATENN_ASSERT(ready == CURLE_OK, "curl_global_init failed");
  Handle handle(lib.curl_easy_init(), lib.curl_easy_cleanup);
  CURL* curl = handle.get();
  lib.curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  lib.curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https,file");
  lib.curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  lib.curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  lib.curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
  lib.curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  lib.curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  lib.curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  lib.curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                       static_cast<long>(options.connect_timeout_ms));
  lib.curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1000L);
  lib.curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.stall_seconds));
  lib.curl_easy_setopt(curl, CURLOPT_USERAGENT, (std::string("flatenn/") + version()).c_str());
  return handle;
}

/// Whether trying again, from where it stopped, can help.
bool broke_off(CURLcode code, long http_status, curl_off_t received) {
  if (code == CURLE_HTTP_RETURNED_ERROR) return http_status >= 500 || http_status == 429;
  return code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING ||
         (code == CURLE_OPERATION_TIMEDOUT && received > 0);
}

Attempt attempt(const std::string& url, const std::filesystem::path& part,
                const DownloadOptions& options) {
  Transfer transfer(part, url.substr(url.rfind('/') + 1), options.quiet);
  const LibCurl& lib = libcurl();
  const Handle handle = make_handle(url, options);
  CURL* curl = handle.get();
  char message[CURL_ERROR_SIZE] = {};
  lib.curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
  lib.curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Transfer::write);
  lib.curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  lib.curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Transfer::report);
  lib.curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  lib.curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(transfer.offset()));
  const CURLcode code = lib.curl_easy_perform(curl);
  transfer.close();
  if (code == CURLE_OK) return {Outcome::kDone, ""};
  long status = 0;
  curl_off_t received = 0;
  lib.curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  lib.curl_easy_getinfo(curl, CURLINFO_SIZE_DOWNLOAD_T, &received);
  const std::string reason = *message ? message : lib.curl_easy_strerror(code);
  const bool resumed = transfer.offset() > 0;
  if (resumed && (code == CURLE_RANGE_ERROR || code == CURLE_BAD_DOWNLOAD_RESUME)) {
    return {Outcome::kNoResume, reason};
  }
  return {broke_off(code, status, received) ? Outcome::kBrokeOff : Outcome::kGaveUp, reason};
}

}  // namespace

std::optional<std::string> download(const std::string& url, const std::filesystem::path& part,
                                    const DownloadOptions& options) {
  std::string reason;
  for (int64_t tried = 0; tried < options.attempts;) {
    const Attempt last = attempt(url, part, options);
    reason = last.reason;
    if (last.outcome == Outcome::kDone) return std::nullopt;
    if (last.outcome == Outcome::kGaveUp) break;
    if (last.outcome == Outcome::kNoResume) {
      std::filesystem::resize_file(part, 0);  // at most once: an empty part is not resumed
      continue;
    }
    ++tried;
    std::this_thread::sleep_for(std::chrono::milliseconds(250) * tried);
  }
  if (std::filesystem::file_size(part) == 0) std::filesystem::remove(part);
  return reason;
}

}  // namespace flatenn::data
