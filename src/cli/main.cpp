#include <cstdio>
#include <exception>

#include "cli/command.h"
#include "flatenn/base/error.h"
#include "flatenn/base/log.h"

namespace {

/// Exit codes: 0 done, 1 the input or the machine is at fault, 2 wrong usage, 70 flatenn is at
/// fault.
constexpr int kInputError = 1;
constexpr int kUsageError = 2;
constexpr int kInternalError = 70;

/// LibTorch appends a C++ backtrace to its messages; a user needs the first line.
std::string first_line(const char* text) {
  const std::string message(text);
  return message.substr(0, message.find('\n'));
}

void set_up_log(const flatenn::cli::GlobalOptions& options) {
  using flatenn::log::Level;
  flatenn::log::set_up(options.quiet     ? Level::kWarn
                       : options.verbose ? Level::kDebug
                                         : Level::kInfo);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "flatenn: trains quantized networks that keep their accuracy on faulty hardware, and "
      "measures what faults cost"};
  app.name("flatenn");
  app.require_subcommand(1);
  flatenn::cli::GlobalOptions global;
  app.add_flag("-q,--quiet", global.quiet, "No progress and no log lines but warnings");
  app.add_flag("-v,--verbose", global.verbose, "Log details");
  app.parse_complete_callback([&] { set_up_log(global); });
  app.fallthrough();
#define FLATENN_COMMAND(name) flatenn::cli::add_##name##_command(app, global);
#include "cli/commands.inc"
#undef FLATENN_COMMAND
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsageError;
  } catch (const flatenn::Error& error) {
    std::fprintf(stderr, "flatenn: %s\n", error.what());
    return kInputError;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "flatenn: internal error: %s\n", first_line(error.what()).c_str());
    return kInternalError;
  }
}
