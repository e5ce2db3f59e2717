#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace flatenn::data {

/// CIFAR-10's binary records from a picture that holds one image a row, 1024 RGB pixels wide, and
/// the images' labels. Throws Error, naming the picture `name`, where the two do not fit.
std::vector<uint8_t> cifar_records(const std::string& name, std::span<const uint8_t> png,
                                   std::span<const uint8_t> labels);

}  // namespace flatenn::data
