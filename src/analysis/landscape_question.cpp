#include "flatenn/analysis/landscape_question.h"

#include <nlohmann/json.hpp>

#include "flatenn/base/hash.h"
#include "flatenn/net/content_hash.h"

namespace flatenn::analysis {
namespace {

std::string direction_of(const LandscapeQuestion& question) {
  return question.towards.empty() ? question.direction : "path";
}

}  // namespace

std::string weights_hash(const torch::Tensor& weights) {
  const torch::Tensor flat = weights.cpu().contiguous();
  Hasher hasher;
  hasher.update(
      std::as_bytes(std::span(flat.data_ptr<float>(), static_cast<size_t>(flat.numel()))));
  return hasher.hex_digest();
}

std::string identity_of(const LandscapeQuestion& question, const net::Network& network,
                        const data::ImageSet& images) {
  nlohmann::json identity{{"model_hash", net::content_hash(network)},
                          {"dataset_hash", images.content_hash},
                          {"images", images.count},
                          {"space", question.space},
                          {"direction", direction_of(question)},
                          {"towards", question.towards},
                          {"points", question.grid.points},
                          {"range", question.grid.range},
                          {"plane", question.grid.two_dimensional},
                          {"seed", question.seed}};
  if (!question.towards_hash.empty()) identity["towards_hash"] = question.towards_hash;
  if (!question.latent_hash.empty()) identity["latent_hash"] = question.latent_hash;
  return identity.dump();
}

std::string file_stem(const LandscapeQuestion& question) {
  return "landscape_" + question.space + "_" + direction_of(question) +
         (question.grid.two_dimensional ? "_plane" : "_line");
}

nlohmann::json to_json(const Landscape& landscape, const std::string& identity) {
  nlohmann::json x = nlohmann::json::array(), y = x, loss = x, accuracy = x;
  for (const LandscapePoint& point : landscape.points) {
    x.push_back(point.x);
    y.push_back(point.y);
    loss.push_back(point.value.loss);
    accuracy.push_back(point.value.accuracy);
  }
  return {{"settings", nlohmann::json::parse(identity)},
          {"x_name", landscape.axes.x_name},
          {"y_name", landscape.axes.y_name},
          {"x", x},
          {"y", y},
          {"loss", loss},
          {"accuracy", accuracy}};
}

}  // namespace flatenn::analysis
