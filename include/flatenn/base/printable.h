#pragma once

#include <string>
#include <string_view>

namespace flatenn {

/// The text as a terminal may get it, in one line: control characters become `\n`, `\x1b`, and so
/// on, bytes that are not UTF-8 `\xff`; those that turn the direction of writing likewise. Messages
/// repeat what files say, which may be damaged.
std::string printable(std::string_view text);

}  // namespace flatenn
