#pragma once

#include <string_view>

/// Files of configs/hardware/ carried inside the program (src/analysis/CMakeLists.txt).
namespace flatenn::analysis {

std::string_view hardware_dense_toml();
std::string_view hardware_zero_skipping_toml();
std::string_view hardware_in_memory_toml();

}  // namespace flatenn::analysis
