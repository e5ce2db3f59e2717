#include "campaign/tolerance_search.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace flatenn::campaign {
namespace {

/// Rounding of powers of ten must not make a bracket too wide.
constexpr double kSlack = 1e-9;

std::optional<int64_t> middle(int64_t below, int64_t above) {
  if (above - below < 2) return std::nullopt;
  return below + (above - below) / 2;
}

}  // namespace

Bracket bracket_of(std::span<const Side> sides) {
  const auto size = std::ssize(sides);
  Bracket bracket{.last_kept = -1, .first_lost = size};
  bool all_kept = true;
  for (int64_t i = 0; i < size; ++i) {
    const Side side = sides[static_cast<size_t>(i)];
    if (side == Side::kUnmeasured) continue;
    if (side == Side::kKeeps && all_kept) bracket.last_kept = i;
    all_kept = all_kept && side == Side::kKeeps;
    if (side == Side::kCosts && bracket.first_lost == size) bracket.first_lost = i;
  }
  return bracket;
}

std::vector<Level> search_levels(double within) {
  constexpr int64_t kDecades = 8;
  const auto steps = static_cast<int64_t>(std::ceil(2 / std::log10(within) - kSlack));
  std::vector<Level> levels;
  for (int64_t i = -kDecades * steps; i <= 0; ++i) {
    // Four digits: a rate reads and types as it is, and every machine's pow gives the same.
    char text[32];
    std::snprintf(text, sizeof text, "%.4g",
                  std::pow(10, static_cast<double>(i) / static_cast<double>(steps)));
    levels.push_back({.rate = std::stod(text), .label = text});
  }
  return levels;
}

std::optional<int64_t> next_in_search(std::span<const Level> levels, std::span<const Side> sides,
                                      double within) {
  const Bracket bracket = bracket_of(sides);
  const int64_t low = bracket.last_kept, high = bracket.first_lost;
  const auto rate = [&](int64_t i) { return levels[static_cast<size_t>(i)].rate; };
  // Rates stand as four digits.
  constexpr double kDigits = 1.001;
  if (low >= 0 && high < std::ssize(levels) && rate(high) <= rate(low) * within * kDigits)
    return std::nullopt;
  // Rates that stay unsure divide the bracket; what lies between two of them tells nothing more.
  int64_t first_unsure = high, last_unsure = low;
  for (int64_t i = low + 1; i < high; ++i) {
    if (sides[static_cast<size_t>(i)] == Side::kUnmeasured) continue;
    first_unsure = std::min(first_unsure, i);
    last_unsure = i;
  }
  const bool left = first_unsure - low >= high - last_unsure;
  return left ? middle(low, first_unsure) : middle(last_unsure, high);
}

}  // namespace flatenn::campaign
