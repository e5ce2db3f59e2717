#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/zip_file.h"

namespace flatenn::data {

/// The head of a NumPy array file. numpy.lib.format, versions 1 to 3.
struct NpyHeader {
  std::string type;            ///< "|u1", "<i8": byte order, kind, bytes an element.
  std::vector<int64_t> shape;  ///< Row-major.

  int64_t elements() const;
  int64_t element_bytes() const;
  std::string describe() const;  ///< "uint8 [100, 28, 28]".
};

/// Reads up to the first element. Throws Error naming `name` where this is no array of numbers,
/// column-major, or of another size than its head says; Python objects, which only a pickle can
/// hold, are refused before anything of them is read.
NpyHeader read_npy_header(const std::string& name, ZipReader& reader);

/// The elements of a uint8 array.
std::vector<uint8_t> read_npy_bytes(const NpyHeader& header, ZipReader& reader);

/// The elements of an array of integers. Throws Error naming `name` and the first that is below 0
/// or above 65,535.
std::vector<uint16_t> read_npy_labels(const std::string& name, const NpyHeader& header,
                                      ZipReader& reader);

}  // namespace flatenn::data
