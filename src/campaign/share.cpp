#include "flatenn/campaign/share.h"

#include <charconv>
#include <optional>
#include <string_view>

#include "flatenn/base/error.h"

namespace flatenn::campaign {
namespace {

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

int64_t Share::trials_below(int64_t cell, int64_t bound) const {
  const int64_t first = ((index - 1 - cell) % of + of) % of;
  return bound <= first ? 0 : (bound - first - 1) / of + 1;
}

std::string Share::text() const { return std::to_string(index) + "/" + std::to_string(of); }

Share parse_share(const std::string& text) {
  constexpr int64_t kMost = 1'000'000;
  const size_t slash = text.find('/');
  if (slash != std::string::npos) {
    const auto index = whole_number(std::string_view(text).substr(0, slash));
    const auto of = whole_number(std::string_view(text).substr(slash + 1));
    if (index && of && *index >= 1 && *index <= *of && *of <= kMost) return {*index, *of};
  }
  throw Error("share: must be K/N with K from 1 to N, as in 3/16, got '" + text + "'");
}

}  // namespace flatenn::campaign
