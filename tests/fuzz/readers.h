#pragma once

#include <span>
#include <string>
#include <vector>

namespace flatenn::fuzz {

/// One reader of files, as fuzzers see it: any bytes must give a value or an Error.
struct Reader {
  const char* name;
  void (*read)(const std::string& bytes);
  std::vector<std::string> (*seeds)();  ///< Good inputs to begin with.
};

/// Of texts (configuration, plans, fault lists, maps, results) and of binary formats (models,
/// databases, images).
std::span<const Reader> text_readers();
std::span<const Reader> binary_readers();

/// Throws Error listing the names.
const Reader& find_reader(const std::string& name);

/// Reads one input; anything but an Error goes through. Silent.
void read_one(const Reader& reader, const std::string& bytes);

/// A file of this process alone that is overwritten from one call to the next.
std::string file_of(const std::string& bytes, const std::string& name);

}  // namespace flatenn::fuzz
