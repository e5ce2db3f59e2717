#include "flatenn/base/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

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
  draw(true);
  finished_ = true;
}

void Progress::draw(bool last) {
  if (options_.quiet || finished_) return;
  const auto now = Clock::now();
  const double interval = terminal_ ? kRedrawSeconds : kPlainLineSeconds;
  if (!last && seconds_between(drawn_, now) < interval) return;
  drawn_ = now;
  // A line that wraps could not be drawn over.
  const int64_t columns = terminal_ ? terminal_columns() : 0;
  const std::string text = columns > 0 ? cut_to_columns(line(), columns - 1) : line();
  std::fprintf(stderr, terminal_ ? (last ? "\r\033[K%s\n" : "\r\033[K%s") : "%s\n", text.c_str());
  std::fflush(stderr);
}

std::string Progress::line() const {
  const double elapsed = seconds_between(start_, Clock::now());
  const double rate = elapsed > 0 ? static_cast<double>(done_ - options_.done_before) / elapsed : 0;
  std::string out = options_.title + " ";
  if (options_.total > 0) {
    const double share =
        std::clamp(static_cast<double>(done_) / static_cast<double>(options_.total), 0.0, 1.0);
    const int filled = static_cast<int>(share * kBarWidth);
    out += "[" + std::string(static_cast<size_t>(filled), '#') +
           std::string(static_cast<size_t>(kBarWidth - filled), '.') + "] ";
    out += format_count(static_cast<double>(done_)) + "/" +
           format_count(static_cast<double>(options_.total));
  } else {
    out += format_count(static_cast<double>(done_));
  }
  if (!options_.unit.empty()) out += " " + options_.unit;
  if (rate > 0) {
    out += ", " + format_count(rate) + "/s";
    if (options_.total > done_) {
      out += ", " + format_duration(static_cast<double>(options_.total - done_) / rate) + " left";
    }
  }
  return text_.empty() ? out : out + "  " + text_;
}

}  // namespace flatenn
