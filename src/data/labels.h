#pragma once

#include <filesystem>
#include <span>

#include "flatenn/data/catalogue.h"

namespace flatenn::data {

/// Throws Error naming the file and the first image whose label is no class of the set.
void check_labels(const std::filesystem::path& path, std::span<const uint8_t> labels,
                  const DataSet& set);

}  // namespace flatenn::data
