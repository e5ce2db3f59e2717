#pragma once

#include <string_view>

namespace flatenn {

/// Whether the bytes are UTF-8 (RFC 3629): what JSON, SQLite and HTML hold.
bool is_utf8(std::string_view text);

}  // namespace flatenn
