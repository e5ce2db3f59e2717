#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

namespace flatenn::data {

/// Throws Error naming the file and the first image whose label is not below `classes`.
void check_labels(const std::filesystem::path& path, std::span<const uint16_t> labels,
                  int64_t classes);

}  // namespace flatenn::data
