#pragma once

#include <cstdint>
#include <span>

#include "engine/general/product.h"

/// Convolutions of 3x3 by F(2x2, 3x3): 16 products for 4 outputs where the definition has 36 (Lavin
/// and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016). With G doubled on
/// either side all is whole numbers, sums are 4 times the definition's, and so it is exact.
namespace flatenn::engine::general {

/// Whether a layer runs so: a dense 3x3 convolution of stride 1 that does not read the image,
/// requantizes in float, and whose sums stay in 32 bits.
bool suits_winograd(const net::Network& network, const net::Layer& layer);

/// The tiles of a layer that suits.
Tiles make_tiles(const net::Layer& layer, const Plane& src, const net::Shape& out, int64_t images);

/// Adds what a weight (OIHW row-major) that grows by `growth` changes among the packed words.
void add_to_places(const Product& product, int64_t element, int growth, std::span<int16_t> words);

void run_tiles(const Kernels<Words>& kernels, const Product& product, int64_t images,
               const ProductOperands<Words>& operands);

}  // namespace flatenn::engine::general
