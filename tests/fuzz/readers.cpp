#include "readers.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/temporary_folder.h"
#include "flatenn/base/error.h"

namespace flatenn::fuzz {

const Reader& find_reader(const std::string& name) {
  std::string names;
  for (const auto readers : {text_readers(), binary_readers()}) {
    for (const Reader& reader : readers) {
      if (reader.name == name) return reader;
      names += (names.empty() ? "" : ", ") + std::string(reader.name);
    }
  }
  throw Error("no reader '" + name + "'; there are " + names);
}

void read_one(const Reader& reader, const std::string& bytes) {
  try {
    reader.read(bytes);
  } catch (const Error&) {  // refused, which is an answer
  }
}

std::string file_of(const std::string& bytes, const std::string& name) {
  static const TemporaryFolder folder;
  const std::filesystem::path path = folder / name;
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  return path.string();
}

}  // namespace flatenn::fuzz
