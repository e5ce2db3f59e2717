#pragma once

#include <string>

namespace flatenn {

/// A text as a field of a CSV file (RFC 4180): quoted where it holds a comma, quote or line break.
std::string csv_field(const std::string& text);

}  // namespace flatenn
