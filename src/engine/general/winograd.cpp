#include "engine/general/winograd.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "engine/chunked/aligned_bytes.h"

namespace flatenn::engine::general {
namespace {

constexpr int64_t kKernel = 3;
constexpr int64_t kTile = 2;  ///< Outputs on a side.
/// 2 G: what a tap adds to a place, along one side.
constexpr int kGrowth[4][kKernel] = {{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}};
/// What a panel's words at all places take: with a block's weights and sums in the second cache.
constexpr int64_t kTilePanelBytes = int64_t{128} << 10;
constexpr int64_t kFewestTiles = 2 * kMostPixels;

int64_t tiles_of(int64_t extent) { return (extent + kTile - 1) / kTile; }

int64_t largest_word(const net::Activation& a) {
  return std::max(a.max_code() - a.zero_point, a.zero_point - a.min_code());
}

int64_t largest_value(const net::Weights& w) {
  const auto lowest = static_cast<int8_t>(-(1 << (w.bits - 1)));
  const auto highest = static_cast<int8_t>((1 << (w.bits - 1)) - 1);
  int64_t largest = 0;
  for (int64_t channel = 0; channel < w.out_channels; ++channel) {
    for (const int8_t code : {lowest, highest}) {
      largest = std::max<int64_t>(largest, std::abs(w.value(code, channel)));
    }
  }
  return largest;
}

}  // namespace

bool suits_winograd(const net::Network& network, const net::Layer& layer) {
  const net::Weights& w = layer.weights;
  const net::Window& window = layer.window;
  if (layer.kind != net::LayerKind::kConv || layer.groups != 1 || layer.src == 0 ||
      layer.in_fixed_point() || w.kernel_height != kKernel || w.kernel_width != kKernel ||
      window.stride_height != 1 || window.stride_width != 1 || window.dilation_height != 1 ||
      window.dilation_width != 1) {
    return false;
  }
  // A place's word grows 4 times, its weight 9 times; their product's sum and the outputs' fit.
  const int64_t most = std::numeric_limits<int32_t>::max() / (4 * kKernel * kKernel);
  const net::Activation& src = network.activations[static_cast<size_t>(layer.src)];
  return w.in_channels * largest_word(src) * largest_value(w) <= most;
}

Tiles make_tiles(const net::Layer& layer, const Plane& src, const net::Shape& out, int64_t images) {
  Tiles tiles{
      .image_tiles = tiles_of(out.height) * tiles_of(out.width),
      .panel = std::max(kTilePanelBytes / (kPlaces * src.channels * int64_t{sizeof(int16_t)}),
                        kFewestTiles),
      .row = src.row(),
      .channels = src.channels,
      .src_offsets = {},
      .pixels = {},
      .places = {}};
  for (int64_t image = 0; image < images; ++image) {
    for (int64_t y = 0; y < out.height; y += kTile) {
      for (int64_t x = 0; x < out.width; x += kTile) {
        tiles.src_offsets.push_back(
            static_cast<int32_t>(src.pixel(image, y - layer.window.top, x - layer.window.left)));
        for (const auto& [down, right] :
             {std::pair(y, x), {y, x + 1}, {y + 1, x}, {y + 1, x + 1}}) {
          const bool inside = down < out.height && right < out.width;
          tiles.pixels.push_back(
              inside ? static_cast<int32_t>((image * out.height + down) * out.width + right) : -1);
        }
      }
    }
  }
  for (int64_t tile = 0; tile < tiles.panel; ++tile) {
    tiles.places.push_back(static_cast<int32_t>(tile * src.channels));
  }
  return tiles;
}

void add_to_places(const Product& product, int64_t element, int growth, std::span<int16_t> words) {
  const int64_t x = element % kKernel;
  const int64_t y = element / kKernel % kKernel;
  const int64_t in = element / (kKernel * kKernel) % product.group_in;
  const int64_t out = element / (kKernel * kKernel * product.group_in);
  const int64_t block = out / kBlock;
  for (int64_t place = 0; place < kPlaces; ++place) {
    const int64_t pack = (block * kPlaces + place) * product.packs + in / 2;
    int16_t& word = words[static_cast<size_t>((pack * kBlock + out % kBlock) * 2 + in % 2)];
    word = static_cast<int16_t>(word + growth * kGrowth[place / 4][y] * kGrowth[place % 4][x]);
  }
}

void run_tiles(const Kernels<Words>& kernels, const Product& product, int64_t images,
               const ProductOperands<Words>& operands) {
  constexpr int32_t kOneTap[] = {0};
  thread_local AlignedVector<int16_t> words;
  thread_local AlignedVector<int32_t> sums;
  const Tiles& tiles = *product.tiles;
  words.resize(static_cast<size_t>(kPlaces * tiles.panel * tiles.channels + kSlack));
  sums.resize(static_cast<size_t>(kPlaces * tiles.panel * kBlock));
  const int64_t count = images * tiles.image_tiles;
  for (int64_t first = 0; first < count; first += tiles.panel) {
    const int64_t some = std::min(tiles.panel, count - first);
    kernels.to_tiles({.src = operands.src,
                      .offsets = &tiles.src_offsets[static_cast<size_t>(first)],
                      .tiles = some,
                      .row = tiles.row,
                      .channels = tiles.channels,
                      .words = words.data()});
    for (int64_t block = 0; block < product.blocks; ++block) {
      for (int64_t place = 0; place < kPlaces; ++place) {
        kernels.dot(
            {.src = words.data() + place * some * tiles.channels,
             .offsets = tiles.places.data(),
             .pixels = some,
             .taps = kOneTap,
             .tap_count = 1,
             .packs = product.packs,
             .weights = operands.words + (block * kPlaces + place) * product.packs * 2 * kBlock,
             .output = {.sums = sums.data() + place * some * kBlock}});
      }
      kernels.from_tiles({.sums = sums.data(),
                          .tiles = some,
                          .pixels = &tiles.pixels[static_cast<size_t>(4 * first)],
                          .output = output_of(product, operands, 0, block, 0)});
    }
  }
}

}  // namespace flatenn::engine::general
