#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace flatenn {

/// The whole file. Throws Error naming the path and the system's reason.
std::string read_file(const std::filesystem::path& path);

/// Replaces the file in one step (temporary file beside it, fsync, rename), so that a crash or a
/// full disk leaves the old content or the new, never a part. Throws Error naming the path and
/// reason.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

}  // namespace flatenn
