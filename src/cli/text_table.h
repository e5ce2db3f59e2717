#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flatenn::cli {

/// A column of a table on a terminal. In narrow ones those of the greatest `rank` are left out
/// first; rank 0 stays.
struct TextColumn {
  std::string title;
  bool right = false;  ///< Numbers stand at the right.
  int rank = 0;
  size_t least_width = 0;
};

/// The lines of a table, two spaces between columns, in at most so many terminal columns (0: as
/// many as it takes); where even the columns of rank 0 do not fit, every row becomes lines of
/// "title: text". Texts are made printable.
std::string text_table(const std::vector<TextColumn>& columns,
                       const std::vector<std::vector<std::string>>& rows, int64_t width);

/// The table on stdout, as wide as its terminal.
void print_text_table(const std::vector<TextColumn>& columns,
                      const std::vector<std::vector<std::string>>& rows);

/// The text with lines broken between words at so many terminal columns (0: not at all); those that
/// follow begin with `indent` spaces. A longer word stays whole.
std::string wrapped(const std::string& text, int64_t columns, size_t indent = 0);

/// A line on stdout, as wide as its terminal.
void print_wrapped(const std::string& text, size_t indent = 2);

/// Columns of the terminal on stdout; 0 where it is none.
int64_t output_columns();

}  // namespace flatenn::cli
