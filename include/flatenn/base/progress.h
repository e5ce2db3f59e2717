#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace flatenn {

/// A progress line on stderr: title, bar, count, rate, time left and a free text.
///
/// Redrawn in place at most ten times a second on a terminal. Elsewhere it prints a plain line at
/// most every ten seconds, and nothing at all when quiet.
class Progress {
 public:
  struct Options {
    std::string title;
    int64_t total = 0;        ///< Units of work in all; 0 where nobody knows.
    std::string unit = "";    ///< What is counted, for the rate: "images", "trials", "bytes".
    int64_t done_before = 0;  ///< Units finished by an earlier run: shown, not part of the rate.
    bool quiet = false;
  };
  explicit Progress(Options options);
  ~Progress();  ///< Ends the line.
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void set_total(int64_t total);    ///< Where the amount of work turns out another than thought.
  void set_text(std::string text);  ///< Shown at the end of the line from the next redraw on.
  void advance(int64_t units = 1);
  void finish();  ///< Draws a last time; later calls do nothing.

 private:
  using Clock = std::chrono::steady_clock;
  void draw(bool last);
  std::string line() const;

  Options options_;
  std::string text_;
  int64_t done_ = 0;
  bool terminal_ = false;
  bool finished_ = false;
  Clock::time_point start_;
  Clock::time_point drawn_;
};

/// The line's first characters (UTF-8), at most so many.
std::string cut_to_columns(const std::string& line, int64_t columns);

/// "1:07", "2:03:40": hours only where there are any.
std::string format_duration(double seconds);

}  // namespace flatenn
