#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace flatenn {

/// Where a piece of work stands.
struct ProgressState {
  std::string title;
  std::string unit;
  std::string text;  ///< Free text at the end.
  int64_t done = 0;
  int64_t total = 0;  ///< 0 where nobody knows.
  int64_t done_before = 0;
  double seconds = 0;  ///< Since the start.
};

/// The line in so many columns (0: as many as it takes): what does not fit is left out, percentage
/// and time left last.
std::string progress_line(const ProgressState& state, int64_t columns);

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
    bool silent_if_short = false;  ///< Without a terminal, nothing of what ends within 10 seconds.
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
  ProgressState state() const;

  Options options_;
  std::string text_;
  int64_t done_ = 0;
  bool terminal_ = false;
  bool finished_ = false;
  bool printed_ = false;
  Clock::time_point start_;
  Clock::time_point drawn_;
};

/// The line's first characters (UTF-8), at most so many.
std::string cut_to_columns(const std::string& line, int64_t columns);

/// "1:07", "2:03:40": hours only where there are any.
std::string format_duration(double seconds);

}  // namespace flatenn
