#pragma once

#include <span>

#include "store/database.h"

namespace flatenn::store {

/// What must hold of one column in every row of its table.
struct ColumnRule {
  const char* table;
  const char* column;
  const char* holds;  ///< SQL over a row of `table`, and of `expected` beside trials and claims.
};

/// All of them: one for each column of each table.
std::span<const ColumnRule> column_rules();

/// Throws Error that names the first table, column and value that flatenn cannot have written: a
/// reference to nothing, a count or a number out of its range, text that is not UTF-8, JSON of
/// another shape, an index that does not fit its table. Looks at one state of the file, whoever
/// writes to it, and takes time in proportion to its trials (about 0.7 s for a million).
void check_contents(const Database& database);

}  // namespace flatenn::store
