#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace flatenn::data {

/// Calls `use` with the content of every file in a tar archive (gz or not) whose name without
/// folders `wanted` accepts. Nothing is written. Returns the reason, in one line, where the archive
/// is damaged; what `use` throws passes through.
std::optional<std::string> for_each_archived(
    const std::filesystem::path& path, const std::function<bool(const std::string&)>& wanted,
    const std::function<void(const std::string&, const std::vector<uint8_t>&)>& use);

}  // namespace flatenn::data
