#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>

#include "cli/command.h"
#include "cli/memory.h"
#include "cli/torch_program.h"
#include "flatenn/base/config.h"
#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/base/shell.h"
#include "flatenn/base/version.h"

namespace {

/// Exit codes: 0 done, 1 the input or the machine is at fault, 2 wrong usage, 70 flatenn is at
/// fault, and what a command throws as CLI::RuntimeError (130: stopped by Ctrl-C, work saved).
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
  return "flatenn: " + message + " (see " + words + " --help)\n";
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

#ifdef FLATENN_HAS_TORCH_PROGRAM
bool holds_command(const CLI::App& app, std::string_view word) {
  const auto commands =
      app.get_subcommands([&](const CLI::App* command) { return command->get_name() == word; });
  return !commands.empty();
}
#endif

/// Says what went wrong in one line, after what was printed, and gives the exit code.
int fail(const std::string& message, int exit_code) {
  std::fflush(stdout);
  std::fprintf(stderr, "flatenn: %s\n", message.c_str());
  return exit_code;
}

/// Parses the arguments, which runs the command; the exit code of what CLI11 makes of them.
int run(CLI::App& app, int argc, char** argv) {
  int code = 0;
  try {
    app.parse(argc, argv);
  } catch (const CLI::RuntimeError& stopped) {
    code = stopped.get_exit_code();
  } catch (const CLI::ParseError& error) {
    code = app.exit(error) == 0 ? 0 : kUsageError;
  }
  check_output();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
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
  try {
#ifdef FLATENN_HAS_TORCH_PROGRAM
    if (!holds_command(app, flatenn::cli::command_word(argc, argv)))
      flatenn::cli::become_torch_program(argv);
#endif
    return run(app, argc, argv);
  } catch (const flatenn::Error& error) {
    return fail(error.what(), kInputError);
  } catch (const std::filesystem::filesystem_error& error) {
    return fail(error.path1().string() + ": " + error.code().message(), kInputError);
  } catch (const std::bad_alloc&) {
    return fail("not enough memory for what was asked", kInputError);
  } catch (const std::exception& error) {
    return fail("internal error: " + first_line(error.what()), kInternalError);
  }
}
