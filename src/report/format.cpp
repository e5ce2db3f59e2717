#include "report/format.h"

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "flatenn/base/progress.h"

namespace flatenn::report {

std::string exact(double value) {
  if (!std::isfinite(value)) return "";
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return std::string(text.data(), end);
}

std::string fixed(double value, int decimals) {
  if (!std::isfinite(value)) return "";
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  std::string out = text.data();
  // A rounded -0.00 would claim a sign that the digits do not show.
  return out.find_first_not_of("-0.") == std::string::npos && out.front() == '-' ? out.substr(1)
                                                                                 : out;
}

std::string short_number(double value) {
  if (!std::isfinite(value)) return "";
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3g", value);
  return text.data();
}

std::string rate_percent(double rate) { return short_number(100 * rate) + " %"; }

std::string counted(double count, const std::string& noun) {
  return short_number(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string capitalized(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

namespace {

/// XML 1.0 has no control characters but these three, not even escaped.
bool allowed_in_xml(char c) {
  return static_cast<unsigned char>(c) >= 0x20 || c == '\t' || c == '\n' || c == '\r';
}

}  // namespace

std::string escape_html(const std::string& text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += allowed_in_xml(c) ? std::string(1, c) : "\xef\xbf\xbd";  // U+FFFD
    }
  }
  return out;
}

std::string kind_title(const std::string& kind) {
  if (kind == "bit_flip") return "bit flips";
  if (kind == "stuck_at_0") return "stuck-at-0";
  if (kind == "stuck_at_1") return "stuck-at-1";
  if (kind == "flip_0_to_1") return "flips 0 to 1";
  if (kind == "flip_1_to_0") return "flips 1 to 0";
  return kind;
}

std::string short_name(const std::string& name) {
  constexpr int64_t kMost = 40;
  if (cut_to_columns(name, kMost) == name) return name;
  return cut_to_columns(name, kMost - 1) + "…";
}

std::string slug(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool keep = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (keep) {
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out;
}

}  // namespace flatenn::report
