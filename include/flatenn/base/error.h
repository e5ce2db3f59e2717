#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace flatenn {

/// The one exception type of the library: the caller's or the input's fault, told in one line that
/// names the place, what was expected and what came.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

template <typename... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line,
                                   const std::string& message);

}  // namespace detail
}  // namespace flatenn

/// Throws Error with the concatenated message where `condition` is false.
#define FLATENN_CHECK(condition, ...)                                                 \
  do {                                                                                \
    if (!(condition)) throw ::flatenn::Error(::flatenn::detail::concat(__VA_ARGS__)); \
  } while (false)

/// flatenn itself is wrong where this fails; on in every build. Throws std::logic_error.
#define FLATENN_ASSERT(condition, ...)                                             \
  do {                                                                             \
    if (!(condition))                                                              \
      ::flatenn::detail::assertion_failed(#condition, __FILE__, __LINE__,          \
                                          ::flatenn::detail::concat(__VA_ARGS__)); \
  } while (false)

/// FLATENN_ASSERT for inner loops: off in release builds.
#ifdef NDEBUG
#define FLATENN_DASSERT(condition, ...) \
  do {                                  \
  } while (false)
#else
#define FLATENN_DASSERT(condition, ...) FLATENN_ASSERT(condition, __VA_ARGS__)
#endif
