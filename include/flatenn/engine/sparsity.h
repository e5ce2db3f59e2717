#pragma once

#include <string>
#include <utility>
#include <vector>

#include "flatenn/engine/engine.h"

namespace flatenn::engine {

/// Activation sparsity: the share of zeros among the codes that a multiplying layer reads (after
/// pooling, without padding, the image excluded).
struct ActivationSparsity {
  double network = 0;                                  ///< Weighted by the layers' MACs, in [0, 1].
  std::vector<std::pair<std::string, double>> layers;  ///< In graph order.
};

/// Counts zeros over all images of the engine, without faults.
ActivationSparsity measure_sparsity(Engine& engine, const net::Network& network,
                                    const ImageCodes& images);

}  // namespace flatenn::engine
