#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>
#include <string_view>

#include "cli/command.h"
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/memory.h"
#include "cli/torch_program.h"
#include "cli/validators.h"
#include "flatenn/base/config.h"
#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/base/printable.h"
#include "flatenn/base/shell.h"
#include "flatenn/base/version.h"
#include "flatenn/data/image_set.h"

namespace {

/// Exit codes: 0 done, 1 the input or the machine is at fault, 2 wrong usage, 70 flatenn is at
/// fault, 130 or 143: stopped by SIGINT or SIGTERM (interrupt.h), and what a command throws as
/// CLI::RuntimeError (3: compare found a regression, merge that something is left).
/// cli/examples.cpp tells users.
constexpr int kInputError = 1;
constexpr int kUsageError = 2;
constexpr int kInternalError = 70;

/// LibTorch appends a C++ backtrace to its messages; a user needs the first line.
std::string first_line(const char* text) {
  const std::string message(text);
  return message.substr(0, message.find('\n'));
}

/// "flatenn data get": the command as far as it was understood.
const CLI::App* deepest(const CLI::App* app, std::string& words) {
  words = app->get_name();
  while (!app->get_subcommands().empty()) {
    app = app->get_subcommands().front();
    words += " " + app->get_name();
  }
  return app;
}

/// "error:", in red on a terminal that shows colours and whose user wants them (no-color.org).
std::string error_word() {
  const char* const no_color = std::getenv("NO_COLOR");
  const char* const term = std::getenv("TERM");
  const bool coloured = ::isatty(STDERR_FILENO) == 1 &&
                        (no_color == nullptr || *no_color == '\0') && term != nullptr &&
                        std::string_view(term) != "dumb";
  return coloured ? "\033[1;31merror:\033[0m" : "error:";
}

/// "; did you mean --model?" where an option of that command is spelt much like the unknown one.
std::string option_hint(const CLI::App& command, const std::vector<std::string>& unknown) {
  const auto is_option = [](const std::string& word) { return word.rfind("--", 0) == 0; };
  const auto first = std::find_if(unknown.begin(), unknown.end(), is_option);
  if (first == unknown.end()) return "";
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  const auto nearest = flatenn::nearest_name(first->substr(0, first->find('=')), names);
  return nearest ? "; did you mean " + *nearest + "?" : "";
}

/// One line on what is wrong with the arguments and where their help is.
std::string usage_message(const CLI::App* root, const CLI::Error& error) {
  std::string words;
  const CLI::App* app = deepest(root, words);
  std::string message = error.what();
  const std::vector<std::string> unknown = root->remaining(true);
  if (error.get_name() == "RequiredError" && app->get_require_subcommand_min() > 0) {
    std::vector<std::string> names;
    for (const CLI::App* command : app->get_subcommands({})) names.push_back(command->get_name());
    message = "a command is missing";
    if (!unknown.empty()) {
      const auto nearest = flatenn::nearest_name(unknown.front(), names);
      message = "no command '" + unknown.front() + "'";
      if (nearest) message += "; did you mean " + *nearest + "?";
    }
  }
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError))
    message += option_hint(*app, unknown);
  return error_word() + " " + flatenn::printable(message) + " (see " + words + " --help)\n";
}

/// The arguments as one would type them; the program is called by its name.
std::string command_line(int argc, char** argv) {
  std::string line = "flatenn";
  for (int i = 1; i < argc; ++i) line += " " + flatenn::shell_word(argv[i]);
  return line;
}

/// A full disk or a closed terminal shows only when what was printed leaves the buffers.
void check_output() {
  std::cout.flush();
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout.good();
  FLATENN_CHECK(written, "standard output: cannot be written: ", std::strerror(errno));
}

void set_up_log(const flatenn::cli::GlobalOptions& options) {
  using flatenn::log::Level;
  flatenn::log::set_up(options.quiet     ? Level::kWarn
                       : options.verbose ? Level::kDebug
                                         : Level::kInfo);
}

void add_commands(CLI::App& app, const flatenn::cli::GlobalOptions& global) {
#define FLATENN_COMMAND(name) flatenn::cli::add_##name##_command(app, global);
#ifdef FLATENN_HOLDS_TORCH_COMMANDS
#define FLATENN_TORCH_COMMAND FLATENN_COMMAND
#else
#define FLATENN_TORCH_COMMAND(name)
#endif
#include "cli/commands.inc"
#undef FLATENN_TORCH_COMMAND
#undef FLATENN_COMMAND
}

/// Every option that takes a real number, of every command, checks it.
void check_numbers(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (option->get_type_name() == "FLOAT") option->check(flatenn::cli::not_vanished());
    if (option->get_type_name() == "INT") option->check(flatenn::cli::whole_number());
  }
  for (CLI::App* command : app.get_subcommands({})) check_numbers(*command);
}

bool holds_command(const CLI::App& app, std::string_view word) {
  const auto commands =
      app.get_subcommands([&](const CLI::App* command) { return command->get_name() == word; });
  return !commands.empty();
}

#ifndef FLATENN_HOLDS_TORCH_COMMANDS
/// Whether flatenn-torch answers this command: one of its own; where it is there, also what tells
/// of all commands, and a word that no command has.
bool belongs_to_torch_program(const CLI::App& app, std::string_view word) {
  if (flatenn::cli::is_torch_command(word)) return true;
  const bool tells_of_all = word == "completion" || word == "man";
  return (tells_of_all || !holds_command(app, word)) && flatenn::cli::torch_program_exists();
}
#endif

/// Says what went wrong in one line, after what was printed, and gives the exit code.
int fail(const std::string& message, int exit_code) {
  std::fflush(stdout);
  std::fprintf(stderr, "%s %s\n", error_word().c_str(), flatenn::printable(message).c_str());
  return exit_code;
}

/// "flatenn help train" is "flatenn train --help".
std::vector<char*> arguments_of(int argc, char** argv) {
  std::vector<char*> arguments(argv, argv + argc);
  if (argc < 2 || std::string_view(argv[1]) != "help") return arguments;
  static char help[] = "--help";
  arguments.erase(arguments.begin() + 1);
  arguments.push_back(help);
  return arguments;
}

/// Help on a command that does not exist would be that of all commands, as if nothing were wrong.
void drop_help_on_nothing(const CLI::App& app, std::vector<std::string>& words,
                          std::string_view command) {
  if (command.empty() || holds_command(app, command)) return;
  std::erase_if(words, [](const std::string& word) { return word == "--help" || word == "-h"; });
}

/// Parses the arguments, which runs the command; the exit code of what CLI11 makes of them.
int run(CLI::App& app, int argc, char** argv) {
  int code = 0;
  std::vector<std::string> words(argv + 1, argv + argc);
  drop_help_on_nothing(app, words, flatenn::cli::command_word(argc, argv));
  std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
  try {
    app.parse(std::move(words));
  } catch (const CLI::RuntimeError& stopped) {
    code = stopped.get_exit_code();
  } catch (const CLI::ParseError& error) {
    code = app.exit(error) == 0 ? 0 : kUsageError;
  }
  check_output();
  return code;
}

}  // namespace

int main(int argument_count, char** argument_values) {
  flatenn::cli::end_on_signals();
  std::vector<char*> arguments = arguments_of(argument_count, argument_values);
  const int argc = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  char** const argv = arguments.data();
  flatenn::cli::use_large_pages();
  CLI::App app{
      "flatenn: trains quantized networks that keep their accuracy on faulty hardware, and "
      "measures what faults cost"};
  app.name("flatenn");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("flatenn ") + flatenn::version(),
                       "Print the version and exit");
  flatenn::cli::GlobalOptions global;
  global.command_line = command_line(argc, argv);
  app.add_flag("-q,--quiet", global.quiet, "No progress and no log lines but warnings");
  app.add_flag("-v,--verbose", global.verbose, "Log details");
  app.parse_complete_callback([&] { set_up_log(global); });
  app.fallthrough();
  app.failure_message(usage_message);
  add_commands(app, global);
  check_numbers(app);
  flatenn::cli::set_up_help(app);
  try {
#ifndef FLATENN_HOLDS_TORCH_COMMANDS
    if (belongs_to_torch_program(app, flatenn::cli::command_word(argc, argv))) {
      flatenn::cli::become_torch_program(argv);
    }
#endif
    return run(app, argc, argv);
  } catch (const flatenn::data::Interrupted& stopped) {
    return fail(stopped.what(), flatenn::cli::interrupted_exit_code());
  } catch (const flatenn::Error& error) {
    return fail(error.what(), kInputError);
  } catch (const std::filesystem::filesystem_error& error) {
    return fail(error.path1().string() + ": " + error.code().message(), kInputError);
  } catch (const std::bad_alloc&) {
    return fail("not enough memory for what was asked", kInputError);
  } catch (const std::exception& error) {
    // LibTorch's allocator throws an exception of its own.
    if (std::string_view(error.what()).find("can't allocate memory") != std::string_view::npos) {
      return fail("not enough memory for what was asked", kInputError);
    }
    return fail("internal error: " + first_line(error.what()), kInternalError);
  }
}
