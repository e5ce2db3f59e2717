#pragma once

#include <filesystem>
#include <string>

#include "cli/command.h"

namespace flatenn::cli {

/// A script that completes the program's commands and options. Throws Error for any other shell
/// than bash, zsh and fish.
std::string completion_script(const CLI::App& app, const std::string& shell);

/// The manual of the program or of one command, in man(7)'s language, from the texts of --help.
/// `words` is the command as typed: "flatenn campaign".
std::string man_page(const CLI::App& command, const std::string& words);

/// Writes flatenn.1 and flatenn-COMMAND.1 into a folder, made where it is missing. The number of
/// pages.
int64_t write_man_pages(const CLI::App& app, const std::filesystem::path& folder);

}  // namespace flatenn::cli
