#include "interop/fixed_point_text.h"

#include <charconv>

#include "flatenn/base/error.h"

namespace flatenn::interop {
namespace {

constexpr const char* kCodes = "codes";
constexpr const char* kOnce = "once";

net::FixedPoint parse(std::string_view text, const std::string& layer) {
  net::FixedPoint factor;
  const char* end = text.data() + text.size();
  const auto [colon, failed] = std::from_chars(text.data(), end, factor.multiplier);
  const bool first = failed == std::errc() && colon != end && *colon == ':';
  const auto second = first ? std::from_chars(colon + 1, end, factor.shift)
                            : std::from_chars_result{end, std::errc::invalid_argument};
  FLATENN_CHECK(second.ec == std::errc() && second.ptr == end, "layer ", layer,
                ": fixed-point factor '", text, "' is not multiplier:shift");
  return factor;
}

}  // namespace

std::string fixed_point_text(const net::Layer& layer) {
  if (!layer.in_fixed_point()) return "";
  if (layer.factors.empty()) return kCodes;
  std::string text = layer.requantization == net::Requantization::kFixedPointOnce ? kOnce : "";
  for (const net::FixedPoint& factor : layer.factors) {
    if (!text.empty()) text += ' ';
    text += std::to_string(factor.multiplier) + ":" + std::to_string(factor.shift);
  }
  return text;
}

void read_fixed_point(net::Network& network) {
  for (net::Layer& layer : network.layers) {
    const auto found = network.metadata.find("layer." + layer.name + ".fixed_point");
    if (found == network.metadata.end()) continue;
    layer.requantization = net::Requantization::kFixedPoint;
    layer.factors.clear();
    if (found->second == kCodes) continue;
    std::string_view rest = found->second;
    if (rest.starts_with(kOnce)) {
      layer.requantization = net::Requantization::kFixedPointOnce;
      rest.remove_prefix(std::min(rest.find(' ') + 1, rest.size()));
    }
    while (!rest.empty()) {
      const size_t length = std::min(rest.find(' '), rest.size());
      layer.factors.push_back(parse(rest.substr(0, length), layer.name));
      rest.remove_prefix(std::min(length + 1, rest.size()));
    }
  }
}

}  // namespace flatenn::interop
