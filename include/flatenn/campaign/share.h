#pragma once

#include <cstdint>
#include <string>

namespace flatenn::campaign {

/// A fixed part of a campaign's trials, for a machine that shares no result file with the others.
///
/// Every cell's trials are dealt out in turn, so shares are of equal size within one trial a cell
/// and reach a stop rule's checkpoints together.
struct Share {
  int64_t index = 1;  ///< From 1.
  int64_t of = 1;     ///< Shares in all.

  /// Of `of` shares the one that a trial belongs to.
  static int64_t index_of(int64_t cell, int64_t trial, int64_t of) {
    return (cell + trial) % of + 1;
  }
  bool holds(int64_t cell, int64_t trial) const { return index_of(cell, trial, of) == index; }
  /// How many of a cell's trials 0, 1, ... below `bound` belong to it.
  int64_t trials_below(int64_t cell, int64_t bound) const;
  std::string text() const;  ///< "3/16"
  bool operator==(const Share&) const = default;
};

/// Reads "3/16". Throws Error where it is no share.
Share parse_share(const std::string& text);

}  // namespace flatenn::campaign
