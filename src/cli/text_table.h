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
/// "title: text".
std::string text_table(const std::vector<TextColumn>& columns,
                       const std::vector<std::vector<std::string>>& rows, int64_t width);

/// Columns of the terminal on stdout; 0 where it is none.
int64_t output_columns();

}  // namespace flatenn::cli
