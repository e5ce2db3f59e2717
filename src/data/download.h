#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace flatenn::data {

/// How patient a download is. The defaults let a machine without a network give up in seconds.
struct DownloadOptions {
  int64_t connect_timeout_ms = 5000;
  int64_t stall_seconds = 20;  ///< Gives up where less than 1000 bytes a second come for so long.
  int64_t attempts = 3;        ///< After a transfer that broke off; never where nobody answers.
  bool quiet = false;          ///< No progress bar.
};

/// Downloads `url` (http, https or file) into `part`, continuing where an earlier download of it
/// stopped. What has come stays in `part` after a failure.
///
/// Returns the reason, in one line, where the address did not give the file. Throws Error naming
/// `part` where it cannot be written (a full disk): another address would not help.
std::optional<std::string> download(const std::string& url, const std::filesystem::path& part,
                                    const DownloadOptions& options);

}  // namespace flatenn::data
