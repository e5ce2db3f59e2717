#pragma once

#include <limits>
#include <string>

/// Numbers and text as they stand on the page.
namespace flatenn::report {

inline constexpr double kPercent = 100;
inline constexpr double kPoints = 100;  ///< Points of accuracy in 1.
/// A field without number.
inline constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

/// Shortest digits that read back as the same double; "" for NaN.
std::string exact(double value);
/// Fixed decimals; "" for NaN.
std::string fixed(double value, int decimals);
/// Three significant digits, "0.02", "1e-05", for bit error rates.
std::string short_number(double value);
/// A rate as percent: "0.5 %".
std::string rate_percent(double rate);
/// &, <, >, " and ' replaced, and control characters that XML forbids by U+FFFD, so the text can
/// stand in HTML, SVG and attributes.
std::string escape_html(const std::string& text);
/// "1 point", "0.5 points": a count with its noun.
std::string counted(double count, const std::string& noun);
/// The first letter made a capital.
std::string capitalized(std::string text);
/// "bit_flip" -> "bit flips", for headings.
std::string kind_title(const std::string& kind);
/// A name as a picture has room for it: 40 characters, the last of them "…" where it was longer.
std::string short_name(const std::string& name);
/// Letters and digits kept, all else '-': safe as a file name and HTML id.
std::string slug(const std::string& text);

}  // namespace flatenn::report
