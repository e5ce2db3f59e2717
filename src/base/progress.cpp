#include "flatenn/base/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "flatenn/base/printable.h"

namespace flatenn {
namespace {

constexpr int kBarWidth = 24;
constexpr double kRedrawSeconds = 0.1;
constexpr double kPlainLineSeconds = 10;

double seconds_between(std::chrono::steady_clock::time_point from,
                       std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

std::string format_count(double value) {
  char text[32];
  if (value >= 1e7) {
    std::snprintf(text, sizeof text, "%.1fM", value / 1e6);
  } else if (value >= 1e4) {
    std::snprintf(text, sizeof text, "%.1fk", value / 1e3);
  } else {
    std::snprintf(text, sizeof text, value < 100 && value != std::floor(value) ? "%.1f" : "%.0f",
                  value);
  }
  return text;
}

/// "2.1k/9k", or "2.1k" where nobody knows the total.
std::string count_text(const ProgressState& state) {
  std::string text = format_count(static_cast<double>(state.done));
  if (state.total > 0) text += "/" + format_count(static_cast<double>(state.total));
  return text;
}

double share_of(const ProgressState& state) {
  return std::clamp(static_cast<double>(state.done) / static_cast<double>(state.total), 0.0, 1.0);
}

std::string bar_text(const ProgressState& state, int width) {
  const int filled = static_cast<int>(share_of(state) * width);
  return "[" + std::string(static_cast<size_t>(filled), '#') +
         std::string(static_cast<size_t>(width - filled), '.') + "] ";
}

int64_t length_of(const std::string& line) {
  return std::count_if(line.begin(), line.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

/// What a line has beside percentage, count and time left, the first to go first.
struct Parts {
  int bar = kBarWidth;
  bool unit = true, rate = true, title = true, text = true, count = true;
};

std::string line_of(const ProgressState& state, const Parts& parts) {
  const double rate =
      state.seconds > 0 ? static_cast<double>(state.done - state.done_before) / state.seconds : 0;
  std::string out = parts.title ? state.title + " " : "";
  if (state.total > 0) {
    if (parts.bar > 0) out += bar_text(state, parts.bar);
    char percent[8];
    std::snprintf(percent, sizeof percent, "%.0f%%", std::floor(100 * share_of(state)));
    out += percent;
    if (parts.count) out += " ";
  }
  if (parts.count || state.total == 0) out += count_text(state);
  if (parts.unit && !state.unit.empty()) out += " " + state.unit;
  if (rate > 0 && parts.rate) out += ", " + format_count(rate) + "/s";
  if (rate > 0 && state.total > state.done)
    out += ", " + format_duration(static_cast<double>(state.total - state.done) / rate) + " left";
  return parts.text && !state.text.empty() ? out + "  " + state.text : out;
}

/// Of the terminal; 0 where it does not say.
int64_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace

std::string cut_to_columns(const std::string& line, int64_t columns) {
  int64_t characters = 0;
  for (size_t at = 0; at < line.size(); ++at) {
    const bool continues = (static_cast<unsigned char>(line[at]) & 0xC0) == 0x80;
    if (!continues && ++characters > columns) return line.substr(0, at);
  }
  return line;
}

std::string progress_line(const ProgressState& state, int64_t columns) {
  Parts parts;
  const auto fits = [&] { return columns <= 0 || length_of(line_of(state, parts)) <= columns; };
  // What a reader misses least goes first; percentage and time left stay to the end.
  const auto drop = [&](auto change) {
    if (!fits()) change();
  };
  drop([&] { parts.bar = 8; });
  drop([&] { parts.unit = false; });
  drop([&] { parts.rate = false; });
  drop([&] { parts.bar = 0; });
  drop([&] { parts.title = state.text.empty(); });
  drop([&] { parts.count = false; });
  drop([&] { parts.title = false; });
  drop([&] { parts.text = false; });
  const std::string line = line_of(state, parts);
  return columns > 0 ? cut_to_columns(line, columns) : line;
}

std::string format_duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(std::max(0.0, seconds)));
  char text[48];
  if (whole >= 3600) {
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%ld:%02ld", whole / 60, whole % 60);
  }
  return text;
}

Progress::Progress(Options options)
    : options_(std::move(options)),
      done_(options_.done_before),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      drawn_(start_) {}

Progress::~Progress() { finish(); }

void Progress::set_total(int64_t total) { options_.total = total; }

void Progress::set_text(std::string text) { text_ = std::move(text); }

void Progress::advance(int64_t units) {
  done_ += units;
  draw(false);
}

void Progress::finish() {
  if (finished_) return;
  const bool short_and_plain = options_.silent_if_short && !terminal_ && !printed_ &&
                               seconds_between(start_, Clock::now()) < kPlainLineSeconds;
  if (!short_and_plain) draw(true);
  finished_ = true;
}

void Progress::draw(bool last) {
  if (options_.quiet || finished_) return;
  const auto now = Clock::now();
  const double interval = terminal_ ? kRedrawSeconds : kPlainLineSeconds;
  if (!last && seconds_between(drawn_, now) < interval) return;
  drawn_ = now;
  printed_ = true;
  // A line that wraps could not be drawn over.
  const int64_t columns = terminal_ ? terminal_columns() : 0;
  const std::string text = progress_line(state(), columns > 0 ? columns - 1 : 0);
  std::fprintf(stderr, terminal_ ? (last ? "\r\033[K%s\n" : "\r\033[K%s") : "%s\n", text.c_str());
  std::fflush(stderr);
}

ProgressState Progress::state() const {
  return {.title = printable(options_.title),
          .unit = options_.unit,
          .text = printable(text_),
          .done = done_,
          .total = options_.total,
          .done_before = options_.done_before,
          .seconds = seconds_between(start_, Clock::now())};
}

}  // namespace flatenn
