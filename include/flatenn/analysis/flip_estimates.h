#pragma once

#include <torch/torch.h>

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "flatenn/analysis/loss_surface.h"
#include "flatenn/analysis/sensitivity.h"

namespace flatenn::analysis {

/// Change of each weight's dequantized value when a fault of `kind` hits one of its bits.
/// [weights of the layer, bits], real units; 0 where the fault does not land.
torch::Tensor bit_changes(const net::Layer& layer, fault::FaultKind kind, fault::Encoding encoding);

/// Expected rise of the mean loss for a cell at a rate p, by Taylor expansion around the fault-free
/// weights: p * sum over its bits of g * d (first order), plus f * d^2 / 2 (second order), with g
/// the gradient, d the bit's change and f the empirical Fisher's diagonal.
struct CellEstimate {
  double first_order = 0;
  double second_order = 0;  ///< Both terms.
};

/// One estimate for each of SensitivityReport::cells, in that order.
std::vector<CellEstimate> estimate_cells(const LossSurface& surface,
                                         const SensitivityReport& report,
                                         const SensitivityOptions& options, int64_t fisher_images,
                                         const ImageObserver& observer = {});

/// Estimates of all cells over the surface's images, and their rank correlations with what the
/// campaign measured. `observer` counts the images.
nlohmann::json compare_estimates(const LossSurface& surface, const SensitivityReport& report,
                                 const SensitivityOptions& options,
                                 const ImageObserver& observer = {});

}  // namespace flatenn::analysis
