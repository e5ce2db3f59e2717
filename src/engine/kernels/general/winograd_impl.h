#pragma once

#include "engine/kernels/general/general_impl.h"

/// F(2x2, 3x3) over vectors T, as general_impl.h has them; T offers besides
///   Row: 16 words; load_row, store_row, add_rows, subtract_rows
///   load_sums, add_sums, subtract_sums (modulo 2^32), quarter (of a multiple of 4)
namespace flatenn::engine::general {
namespace {

/// Rows d of four to B^T d.
template <class Row, class Add, class Subtract>
inline __attribute__((always_inline)) void to_places(Row (&d)[4], const Add& add,
                                                     const Subtract& subtract) {
  const Row first = subtract(d[0], d[2]);
  const Row last = subtract(d[1], d[3]);
  const Row middle = add(d[1], d[2]);
  d[2] = subtract(d[2], d[1]);
  d[0] = first;
  d[1] = middle;
  d[3] = last;
}

template <class T>
inline __attribute__((always_inline)) void tile_to_places(const ToTilesArgs& a, const int16_t* src,
                                                          int16_t* dst) {
  using Row = typename T::Row;
  const auto add = [](Row x, Row y) { return T::add_rows(x, y); };
  const auto subtract = [](Row x, Row y) { return T::subtract_rows(x, y); };
  Row places[4][4];
  for (int x = 0; x < 4; ++x) {
    Row column[4];
    for (int y = 0; y < 4; ++y) column[y] = T::load_row(src + y * a.row + x * a.channels);
    to_places<Row>(column, add, subtract);
    for (int y = 0; y < 4; ++y) places[y][x] = column[y];
  }
  const int64_t place = a.tiles * a.channels;
  for (int y = 0; y < 4; ++y) {
    to_places<Row>(places[y], add, subtract);
    for (int x = 0; x < 4; ++x) T::store_row(dst + (4 * y + x) * place, places[y][x]);
  }
}

template <class T>
void to_tiles_any(const ToTilesArgs& a) {
  for (int64_t tile = 0; tile < a.tiles; ++tile) {
    const int16_t* src = a.src + a.offsets[tile];
    int16_t* dst = a.words + tile * a.channels;
    for (int64_t c = 0; c < a.channels; c += kBlock) tile_to_places<T>(a, src + c, dst + c);
  }
}

template <class T>
void from_tiles_any(const FromTilesArgs& a) {
  using Sums = typename T::Sums;
  const auto first = [](Sums x, Sums y, Sums z) { return T::add_sums(T::add_sums(x, y), z); };
  const auto second = [](Sums x, Sums y, Sums z) {
    return T::subtract_sums(T::subtract_sums(x, y), z);
  };
  for (int64_t tile = 0; tile < a.tiles; ++tile) {
    Sums upper[4];
    Sums lower[4];
    for (int x = 0; x < 4; ++x) {
      Sums m[4];
      for (int y = 0; y < 4; ++y) {
        m[y] = T::load_sums(a.sums + ((4 * y + x) * a.tiles + tile) * kBlock);
      }
      upper[x] = first(m[0], m[1], m[2]);
      lower[x] = second(m[1], m[2], m[3]);
    }
    const Sums pixels[4] = {
        first(upper[0], upper[1], upper[2]), second(upper[1], upper[2], upper[3]),
        first(lower[0], lower[1], lower[2]), second(lower[1], lower[2], lower[3])};
    for (int p = 0; p < 4; ++p) {
      const int32_t pixel = a.pixels[4 * tile + p];
      if (pixel >= 0) write_pixel<T>(a.output, T::quarter(pixels[p]), pixel);
    }
  }
}

}  // namespace
}  // namespace flatenn::engine::general
