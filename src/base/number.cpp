#include "flatenn/base/number.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

namespace flatenn {

std::string number_text(double value) {
  std::array<char, 32> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), result.ptr};
}

bool reads_as_zero(std::string_view number) {
  std::string digits(number);
  std::erase(digits, '_');  // TOML groups digits by it
  const std::string_view mantissa = std::string_view(digits).substr(0, digits.find_first_of("eE"));
  const bool names_a_value = mantissa.find_first_of("123456789") != std::string_view::npos;
  return names_a_value && std::strtod(digits.c_str(), nullptr) == 0;
}

}  // namespace flatenn
