#include "flatenn/base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>

#include "flatenn/base/printable.h"

namespace flatenn::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kOff:
      break;
  }
  return spdlog::level::off;
}

std::shared_ptr<spdlog::logger> make_logger(Level level) {
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  const char* const no_color = std::getenv("NO_COLOR");  // https://no-color.org
  if (no_color != nullptr && *no_color != '\0') sink->set_color_mode(spdlog::color_mode::never);
  auto logger = std::make_shared<spdlog::logger>("flatenn", std::move(sink));
  logger->set_pattern("%^%l%$: %v");
  logger->set_level(to_spdlog(level));
  return logger;
}

std::shared_ptr<spdlog::logger>& logger() {
  static std::shared_ptr<spdlog::logger> instance = make_logger(Level::kWarn);
  return instance;
}

}  // namespace

void set_up(Level level) { logger() = make_logger(level); }

bool is_shown(Level level) { return logger()->should_log(to_spdlog(level)); }

void write(Level level, const std::string& message) {
  logger()->log(to_spdlog(level), printable(message));
}

}  // namespace flatenn::log
