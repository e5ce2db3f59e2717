#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "flatenn/report/figure.h"

namespace flatenn::report {

struct ColourStop {
  double position = 0;  ///< In [0, 1].
  std::array<uint8_t, 3> rgb{};
};

/// A light-to-dark blue scale whose lightness falls evenly, so that it also works in grey.
inline constexpr std::array<ColourStop, 5> kColourStops = {{{0.00, {0xf7, 0xfb, 0xff}},
                                                            {0.25, {0xc6, 0xdb, 0xef}},
                                                            {0.50, {0x6b, 0xae, 0xd6}},
                                                            {0.75, {0x21, 0x71, 0xb5}},
                                                            {1.00, {0x08, 0x30, 0x6b}}}};

/// Orange over white to blue, for differences: told apart by colour-blind readers, too.
inline constexpr std::array<ColourStop, 5> kDifferenceStops = {{{0.00, {0xb3, 0x58, 0x06}},
                                                                {0.25, {0xf1, 0xa3, 0x40}},
                                                                {0.50, {0xff, 0xff, 0xff}},
                                                                {0.75, {0x6b, 0xae, 0xd6}},
                                                                {1.00, {0x08, 0x45, 0x94}}}};

using ColourStops = std::array<ColourStop, 5>;

/// "#rrggbb" at `position`, clamped to [0, 1].
std::string scale_colour(double position, const ColourStops& stops = kColourStops);
/// Whether white text reads better than black on the colour at `position`.
bool wants_white_text(double position, const ColourStops& stops = kColourStops);
/// What a heat map is coloured by.
const ColourStops& colour_stops(const HeatMap& map);
/// Least and greatest finite value, made different; {0, 1} without any. Of differences: equally far
/// from 0.
std::pair<double, double> value_range(const HeatMap& map);

}  // namespace flatenn::report
