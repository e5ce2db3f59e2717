#include <cstdio>

#include "cli/command.h"
#include "flatenn/base/version.h"

namespace flatenn::cli {

void add_version_command(CLI::App& app, const GlobalOptions&) {
  app.add_subcommand("version", "Print the version")->callback([] {
    std::printf("flatenn %s\n", version());
  });
}

}  // namespace flatenn::cli
