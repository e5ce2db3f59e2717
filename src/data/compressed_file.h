#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace flatenn::data {

/// The file `folder`/`name`, or its compressed form with .gz or .xz after the name, whichever is
/// there (in this order).
std::optional<std::filesystem::path> find_packed(const std::filesystem::path& folder,
                                                 const std::string& name);

/// The content of a file, unpacked where its name ends in .gz or .xz. Throws Error naming the file
/// where it is missing, empty, truncated, damaged (checksums included) or not of that compression.
std::vector<uint8_t> read_unpacked(const std::filesystem::path& path);

std::string content_sha256(std::span<const uint8_t> content);

}  // namespace flatenn::data
