#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "flatenn/base/log.h"
#include "readers.h"

/// One reader (FLATENN_FUZZ_READER) under libFuzzer. With FUZZ_SEEDS=FOLDER the good inputs are
/// written there first; give the folder as the corpus too.
namespace {

constexpr size_t kLongest = 262144;  // run.sh's -max_len

const flatenn::fuzz::Reader& reader() {
  static const flatenn::fuzz::Reader& found = flatenn::fuzz::find_reader(FLATENN_FUZZ_READER);
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  flatenn::log::set_up(flatenn::log::Level::kOff);
  const char* const folder = std::getenv("FUZZ_SEEDS");
  if (folder == nullptr) return 0;
  std::filesystem::create_directories(folder);
  int number = 0;
  for (const std::string& seed : reader().seeds()) {
    reader().read(seed);                       // an Error here is a fault of the seed
    if (seed.size() > kLongest) std::abort();  // libFuzzer would cut it off, and damage it
    const auto path = std::filesystem::path(folder) / ("seed" + std::to_string(number++));
    std::ofstream(path, std::ios::binary) << seed;
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  flatenn::fuzz::read_one(reader(), {reinterpret_cast<const char*>(data), size});
  return 0;
}
