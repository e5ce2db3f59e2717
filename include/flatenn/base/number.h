#pragma once

#include <string>
#include <string_view>

namespace flatenn {

/// The shortest decimal text that reads back as the same double: "0.001", "1.0000001", "1e-20".
std::string number_text(double value);

/// Whether a decimal number (TOML's or C's spelling) says something else than 0 but is read as 0
/// because it lies below the smallest double: "1e-400".
bool reads_as_zero(std::string_view number);

}  // namespace flatenn
