#include "cli/interrupt.h"

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>

#include "flatenn/base/unfinished_files.h"

namespace flatenn::cli {
namespace {

std::atomic<const char*> kept = "no half-written file is left";
std::atomic<bool> guarded = false;
std::atomic<bool> interrupted = false;
std::atomic<bool> told = false;  ///< The command was told of `interrupted`.
std::atomic<int> received = SIGINT;
std::atomic<int64_t> first_ms = 0;  ///< When the first signal of a guard came; 0: none.
std::atomic<unsigned> limit = 0;
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free &&
                  std::atomic<const char*>::is_always_lock_free,
              "a signal handler uses them");

/// Two signals within it are one that came twice: `timeout` and schedulers signal a program and its
/// process group, and nobody who waits for an answer asks again as soon.
constexpr int64_t kSameSignalMs = 500;

int64_t now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{1000} * now.tv_sec + now.tv_nsec / 1'000'000;
}

int code_of(int signal) { return 128 + signal; }

/// One line from a signal handler; behind a progress line it starts a new one.
void say(const char* first, const char* second) {
  std::array<char, 256> line{};
  size_t used = 0;
  const auto add = [&](const char* text) {
    for (; *text != '\0' && used < line.size() - 1; ++text) line[used++] = *text;
  };
  if (::isatty(STDERR_FILENO) == 1) add("\n");
  add("flatenn: ");
  add(first);
  add(second);
  line[used++] = '\n';
  const ssize_t written = ::write(STDERR_FILENO, line.data(), used);
  (void)written;  // nobody is left to tell
}

[[noreturn]] void end(int signal) {
  say(signal == SIGTERM ? "ended by SIGTERM; " : "interrupted; ", kept);
  remove_unfinished_files();
  ::_exit(code_of(signal));
}

extern "C" void on_signal(int signal) {
  const int error = errno;
  if (!guarded) end(signal);
  int64_t first = 0;
  const int64_t now = now_ms();
  if (!first_ms.compare_exchange_strong(first, now)) {
    if (now - first >= kSameSignalMs) end(signal);
    errno = error;
    return;
  }
  received = signal;
  interrupted = true;
  if (limit > 0) ::alarm(limit);
  say("stopping when the work in flight is done", " (at once: the same signal again)");
  errno = error;
}

extern "C" void on_alarm(int) { end(received); }

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);
}

sigset_t both() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

void end_on_signals() {
  handle(SIGINT, on_signal);
  handle(SIGTERM, on_signal);
  handle(SIGALRM, on_alarm);
  const sigset_t set = both();
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void hold_signals() {
  const sigset_t set = both();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void say_what_is_kept(const char* words) { kept = words; }

InterruptGuard::InterruptGuard(unsigned limit_s) {
  limit = limit_s;
  interrupted = false;
  first_ms = 0;
  told = false;
  guarded = true;
}

InterruptGuard::~InterruptGuard() {
  ::alarm(0);
  guarded = false;
  if (interrupted && !told) end(received);
}

bool InterruptGuard::requested() const {
  const bool came = interrupted;
  if (came) told = true;
  return came;
}
int interrupted_exit_code() { return code_of(received); }
int InterruptGuard::exit_code() const { return interrupted_exit_code(); }

}  // namespace flatenn::cli
