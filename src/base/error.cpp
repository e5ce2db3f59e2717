#include "flatenn/base/error.h"

namespace flatenn::detail {

void assertion_failed(const char* condition, const char* file, int line,
                      const std::string& message) {
  throw std::logic_error(concat("internal error at ", file, ":", line, ": ", condition, " failed",
                                message.empty() ? "" : ": ", message));
}

}  // namespace flatenn::detail
