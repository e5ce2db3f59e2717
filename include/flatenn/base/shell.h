#pragma once

#include <string>

namespace flatenn {

/// The word as a POSIX shell reads it back: as it is where it holds nothing special, else quoted.
std::string shell_word(const std::string& word);

}  // namespace flatenn
