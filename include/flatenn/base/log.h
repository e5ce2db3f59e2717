#pragma once

#include <string>

#include "flatenn/base/error.h"

/// Log lines for people, to stderr through spdlog. The library is silent below `warn` unless the
/// program lowers the level.
namespace flatenn::log {

enum class Level { kDebug, kInfo, kWarn, kOff };

/// Decides what is shown and sends it to stderr; called once by main.
void set_up(Level level);

/// Whether lines of this level are shown; progress is where `kInfo` is.
bool is_shown(Level level);

void write(Level level, const std::string& message);

template <typename... Parts>
void debug(const Parts&... parts) {
  write(Level::kDebug, flatenn::detail::concat(parts...));
}
template <typename... Parts>
void info(const Parts&... parts) {
  write(Level::kInfo, flatenn::detail::concat(parts...));
}
template <typename... Parts>
void warn(const Parts&... parts) {
  write(Level::kWarn, flatenn::detail::concat(parts...));
}

}  // namespace flatenn::log
