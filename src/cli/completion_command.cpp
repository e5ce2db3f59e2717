#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/completion.h"

namespace flatenn::cli {

void add_completion_command(CLI::App& app, const GlobalOptions&) {
  auto shell = std::make_shared<std::string>();
  auto* command = app.add_subcommand("completion", "Print a script that completes flatenn's words");
  command->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([shell, &app] { std::fputs(completion_script(app, *shell).c_str(), stdout); });
}

void add_man_command(CLI::App& app, const GlobalOptions&) {
  auto folder = std::make_shared<std::string>();
  auto* command = app.add_subcommand("man", "Write a manual page of each command into a folder");
  command->add_option("folder", *folder, "Such as ~/.local/share/man/man1")->required();
  command->callback([folder, &app] {
    std::printf("%s: %ld pages\n", folder->c_str(), write_man_pages(app, *folder));
  });
}

}  // namespace flatenn::cli
