#pragma once

#include <filesystem>

namespace flatenn::report {

/// With the folders above it, where they are missing. Throws Error that names it.
void make_folder(const std::filesystem::path& folder);

}  // namespace flatenn::report
