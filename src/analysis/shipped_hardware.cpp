#include "analysis/shipped_hardware.h"

#include "flatenn/analysis/hardware.h"
#include "flatenn/base/error.h"

namespace flatenn::analysis {
namespace {

struct ShippedFile {
  const char* name;
  std::string_view (*content)();
};

constexpr ShippedFile kShipped[] = {{"dense", &hardware_dense_toml},
                                    {"zero_skipping", &hardware_zero_skipping_toml},
                                    {"in_memory", &hardware_in_memory_toml}};

}  // namespace

std::vector<std::string> shipped_hardware_names() {
  std::vector<std::string> names;
  for (const ShippedFile& file : kShipped) names.emplace_back(file.name);
  return names;
}

Hardware find_hardware(const std::string& name_or_path) {
  for (const ShippedFile& file : kShipped) {
    if (name_or_path != file.name) continue;
    Config config =
        Config::from_string(std::string(file.content()), std::string(file.name) + ".toml");
    return read_hardware(config);
  }
  const std::filesystem::path path(name_or_path);
  if (path.extension() != ".toml" && !std::filesystem::exists(path)) {
    std::string names;
    for (const ShippedFile& file : kShipped) names += std::string(", ") + file.name;
    throw Error(
        detail::concat("hardware: expected a file (.toml)", names, ", got '", name_or_path, "'"));
  }
  return read_hardware(path);
}

}  // namespace flatenn::analysis
