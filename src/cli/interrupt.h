#pragma once

namespace flatenn::cli {

/// From here on Ctrl-C (SIGINT) and SIGTERM end the program with one line on stderr that says what
/// is kept, no half-written file, and exit code 130 or 143. Called first in main().
void end_on_signals();

/// Lets both wait until the program that takes this one's place calls end_on_signals().
void hold_signals();

/// What that line says of the command's work instead of "no half-written file is left". Of static
/// storage.
void say_what_is_kept(const char* words);

/// While one lives, the first of these signals only sets a flag that the command looks at between
/// two pieces of work; a second one, half a second later or more, ends the program at once, as
/// end_on_signals() says. So does the guard's own end where the command was never told of the first
/// one: it came after the last look.
class InterruptGuard {
 public:
  /// With a limit the program ends so many seconds after the signal even where a piece of work
  /// takes longer: batch schedulers kill what does not go.
  explicit InterruptGuard(unsigned limit_s = 0);
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  bool requested() const;
  /// Of a command that the signal ended after it saved its work.
  int exit_code() const;
};

/// 130 or 143, by the signal that came.
int interrupted_exit_code();

}  // namespace flatenn::cli
