#include "engine/lanes/layout.h"

#include <algorithm>

#include "engine/kernels/lanes/tiles.h"

namespace flatenn::engine::lanes {

std::vector<Layout> make_layouts(const net::Network& network) {
  std::vector<Layout> layouts;
  for (const net::Activation& activation : network.activations) {
    layouts.push_back(
        {.shape = activation.shape, .zero = static_cast<uint8_t>(activation.is_signed ? 128 : 0)});
  }
  for (const net::Layer& layer : network.layers) {
    Layout& src = layouts[static_cast<size_t>(layer.src)];
    if (layer.kind == net::LayerKind::kConv) src.border = std::max(src.border, layer.pad());
  }
  for (Layout& layout : layouts) {
    const net::Shape& shape = layout.shape;
    const int64_t row_codes = (shape.width + 2 * layout.border) * shape.channels;
    layout.row_vectors = (row_codes + 3) / 4;
    // A window that starts late in its first vector reaches into the one behind the last row, the
    // last product of tiles into sixteen at most.
    layout.bytes = ((shape.height + 2 * layout.border) * layout.row_vectors + kTileRows) *
                   int64_t{kVectorBytes};
  }
  return layouts;
}

}  // namespace flatenn::engine::lanes
