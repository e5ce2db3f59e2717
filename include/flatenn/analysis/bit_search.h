#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "flatenn/analysis/loss_surface.h"
#include "flatenn/engine/engine.h"
#include "flatenn/fault/injector.h"

namespace flatenn::analysis {

struct BitSearchOptions {
  int64_t flips = 20;
  fault::Encoding encoding = fault::Encoding::kTwosComplement;
  int64_t random_trials = 20;  ///< Maps of as many random flips, for comparison.
  uint64_t seed = 0;
  std::function<void(int64_t done, int64_t total)> observer;
};

struct BitSearchStep {
  fault::FaultSite site;
  std::string layer;
  double search_loss = 0;      ///< On the images the search saw.
  double accuracy = 0;         ///< On the evaluation images, after this and all earlier flips.
  double random_accuracy = 0;  ///< Mean over maps with the same number of random flips.
};

struct BitSearchResult {
  double golden_accuracy = 0;
  std::vector<BitSearchStep> steps;
};

/// Progressive bit search (Rakin et al., arXiv:1903.12269): each step ranks the bits of every layer
/// by gradient times change of value at the weights as flipped so far, tries each layer's best, and
/// keeps the one with the largest loss. The search looks at `surface`'s images; `engine` evaluates
/// on others.
BitSearchResult search_bits(const LossSurface& surface,
                            const std::shared_ptr<const net::Network>& network,
                            engine::Engine& engine, const engine::ImageCodes& images,
                            std::span<const uint16_t> labels, const BitSearchOptions& options);

nlohmann::json to_json(const BitSearchResult& result);

}  // namespace flatenn::analysis
