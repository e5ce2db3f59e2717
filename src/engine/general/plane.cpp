#include "engine/general/plane.h"

#include <algorithm>

#include "engine/general/winograd.h"
#include "engine/kernels/general/general.h"

namespace flatenn::engine::general {
namespace {

int64_t up_to_multiple(int64_t value, int64_t of) { return (value + of - 1) / of * of; }

/// Pixels beyond the source's last one that an extent of outputs reaches.
int64_t reach(int64_t outputs, int64_t stride, int64_t before, int64_t kernel, int64_t dilation,
              int64_t source) {
  return (outputs - 1) * stride - before + (kernel - 1) * dilation - (source - 1);
}

/// Makes room for the padding of a convolution.
void widen(Plane& plane, const net::Layer& layer, net::Shape out, bool tiled) {
  if (tiled) {  // the last tiles reach over an odd edge
    out.height += out.height % 2;
    out.width += out.width % 2;
  }
  const net::Window& w = layer.window;
  plane.top = std::max(plane.top, w.top);
  plane.left = std::max(plane.left, w.left);
  plane.bottom =
      std::max(plane.bottom, reach(out.height, w.stride_height, w.top, layer.weights.kernel_height,
                                   w.dilation_height, plane.shape.height));
  plane.right =
      std::max(plane.right, reach(out.width, w.stride_width, w.left, layer.weights.kernel_width,
                                  w.dilation_width, plane.shape.width));
}

}  // namespace

template <class Store>
std::vector<Plane> planes_of(const net::Network& network) {
  std::vector<Plane> planes;
  for (const net::Activation& activation : network.activations) {
    const int64_t multiple = planes.empty() ? 1 : kBlock;
    const int base = Store::kOffset ? activation.min_code() : activation.zero_point;
    planes.push_back({.shape = activation.shape,
                      .base = base,
                      .least = base - activation.zero_point,
                      .channels = up_to_multiple(activation.shape.channels, multiple)});
  }
  for (const net::Layer& layer : network.layers) {
    if (layer.kind != net::LayerKind::kConv) continue;
    widen(planes[static_cast<size_t>(layer.src)], layer,
          network.activations[static_cast<size_t>(layer.dst)].shape,
          !Store::kOffset && suits_winograd(network, layer));
  }
  return planes;
}

template std::vector<Plane> planes_of<Words>(const net::Network& network);
template std::vector<Plane> planes_of<Bytes>(const net::Network& network);

}  // namespace flatenn::engine::general
