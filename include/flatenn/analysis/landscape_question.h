#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "flatenn/analysis/landscape.h"
#include "flatenn/data/image_set.h"
#include "flatenn/net/network.h"

namespace flatenn::analysis {

/// A landscape as asked for, before it is looked at.
struct LandscapeQuestion {
  LandscapeOptions grid;
  std::string space = "after";       ///< "after" quantization or "before" it.
  std::string direction = "random";  ///< "random" or "ascent", of the first axis.
  std::string towards;               ///< Another model, in place of a direction.
  std::string towards_hash;          ///< weights_hash() of its weights.
  std::string latent_hash;           ///< weights_hash() of the latent weights moved "before".
  uint64_t seed = 0;                 ///< Of random directions.
};

/// SHA-256 of the weights' bytes.
std::string weights_hash(const torch::Tensor& weights);

/// All that decides the values of the points, in one line (JSON).
std::string identity_of(const LandscapeQuestion& question, const net::Network& network,
                        const data::ImageSet& images);
/// "landscape_after_random_plane": file name without extension.
std::string file_stem(const LandscapeQuestion& question);
/// The result that a report reads (docs/formats.md).
nlohmann::json to_json(const Landscape& landscape, const std::string& identity);

}  // namespace flatenn::analysis
