#include "flatenn/analysis/bit_search.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>

#include "flatenn/analysis/flip_estimates.h"
#include "flatenn/analysis/sensitivity.h"
#include "flatenn/base/error.h"
#include "flatenn/engine/evaluate.h"

namespace flatenn::analysis {
namespace {

struct Candidate {
  size_t weight = 0;  ///< Index among multiplying layers.
  int64_t element = 0;
  int bit = 0;
  double change = 0;  ///< Of the dequantized weight.
};

class Search {
 public:
  Search(const LossSurface& surface, const net::Network& network, fault::Encoding encoding)
      : surface_(surface), encoding_(encoding), flipped_(network), move_(surface.zero_move()) {
    int64_t offset = 0;
    for (const torch::Tensor& weight : surface.view().weights()) {
      offsets_.push_back(offset);
      offset += weight.numel();
    }
  }

  /// The most harmful flip among every layer's best; it is kept. Empty where none is left.
  std::optional<Candidate> step(double* loss) {
    std::optional<Candidate> best;
    for (const Candidate& candidate : best_of_each_layer()) {
      torch::Tensor tried = move_.clone();
      tried[position(candidate)] += candidate.change;
      const double tried_loss = surface_.value(tried).loss;
      if (!best || tried_loss > *loss) {
        best = candidate;
        *loss = tried_loss;
      }
    }
    if (best) keep(*best);
    return best;
  }

 private:
  int64_t position(const Candidate& candidate) const {
    return offsets_[candidate.weight] + candidate.element;
  }

  net::Layer& layer(size_t weight) {
    return flipped_.layers[static_cast<size_t>(surface_.view().weight_layers()[weight])];
  }

  std::vector<Candidate> best_of_each_layer() {
    const auto gradients = surface_.split(surface_.gradient(move_));
    std::vector<Candidate> candidates;
    for (size_t weight = 0; weight < gradients.size(); ++weight) {
      const torch::Tensor changes =
          bit_changes(layer(weight), fault::FaultKind::kBitFlip, encoding_);
      torch::Tensor gains = changes * gradients[weight].reshape({-1, 1}).cpu();
      for (const auto& [used, element, bit] : used_) {
        if (used == weight) gains[element][bit] = -1;  // no bit flips twice
      }
      const int64_t flat = gains.argmax().item<int64_t>();
      const int64_t bits = gains.size(1);
      const Candidate candidate{weight, flat / bits, static_cast<int>(flat % bits),
                                changes[flat / bits][flat % bits].item<double>()};
      if (gains[candidate.element][candidate.bit].item<double>() > 0)
        candidates.push_back(candidate);
    }
    return candidates;
  }

  void keep(const Candidate& candidate) {
    net::Weights& weights = layer(candidate.weight).weights;
    int8_t& code = weights.codes[static_cast<size_t>(candidate.element)];
    const uint16_t word = fault::encode(code, weights.bits, encoding_);
    code =
        fault::decode(static_cast<uint16_t>(word ^ (1U << candidate.bit)), weights.bits, encoding_);
    move_[position(candidate)] += candidate.change;
    used_.emplace(candidate.weight, candidate.element, candidate.bit);
  }

  const LossSurface& surface_;
  fault::Encoding encoding_;
  net::Network flipped_;
  torch::Tensor move_;
  std::vector<int64_t> offsets_;
  std::set<std::tuple<size_t, int64_t, int>> used_;
};

double accuracy_of(const fault::Injector& injector, const fault::FaultMap& map,
                   engine::Engine& engine, const engine::ImageCodes& images,
                   std::span<const uint16_t> labels) {
  const int64_t classes = injector.network()->classes();
  std::vector<float> logits(static_cast<size_t>(images.count * classes));
  engine::Job job;
  job.weights = injector.apply(map).weights;
  job.logits = logits;
  engine.run(std::span(&job, 1));
  return engine::evaluate(logits, classes, labels).accuracy();
}

double random_accuracy(const std::shared_ptr<const net::Network>& network, int64_t flips,
                       engine::Engine& engine, const engine::ImageCodes& images,
                       std::span<const uint16_t> labels, const BitSearchOptions& options) {
  fault::FaultModel model =
      fault::FaultModel::of_kind(fault::FaultKind::kBitFlip, options.encoding);
  model.sources[0].count = flips;
  const fault::Injector injector(network, model);
  return map_mean(
             run_trials(injector, engine, images, labels, 0, options.seed, options.random_trials)
                 .accuracies)
      .mean;
}

}  // namespace

BitSearchResult search_bits(const LossSurface& surface,
                            const std::shared_ptr<const net::Network>& network,
                            engine::Engine& engine, const engine::ImageCodes& images,
                            std::span<const uint16_t> labels, const BitSearchOptions& options) {
  FLATENN_CHECK(options.flips >= 1, "bit search: flips must be positive, got ", options.flips);
  const fault::Injector injector(
      network, fault::FaultModel::of_kind(fault::FaultKind::kBitFlip, options.encoding));
  BitSearchResult result;
  fault::FaultMap map;
  result.golden_accuracy = accuracy_of(injector, map, engine, images, labels);
  Search search(surface, *network, options.encoding);
  for (int64_t flip = 1; flip <= options.flips; ++flip) {
    BitSearchStep step;
    const auto found = search.step(&step.search_loss);
    if (!found) break;
    step.site = {static_cast<int32_t>(found->weight), found->bit, found->element};
    step.layer = injector.layout().tensors[found->weight].name;
    map.faults.push_back({step.site, fault::FaultKind::kBitFlip});
    std::sort(map.faults.begin(), map.faults.end());
    step.accuracy = accuracy_of(injector, map, engine, images, labels);
    step.random_accuracy = random_accuracy(network, flip, engine, images, labels, options);
    result.steps.push_back(step);
    if (options.observer) options.observer(flip, options.flips);
  }
  return result;
}

nlohmann::json to_json(const BitSearchResult& result) {
  nlohmann::json steps = nlohmann::json::array();
  for (const BitSearchStep& step : result.steps) {
    steps.push_back({{"layer", step.layer},
                     {"element", step.site.element},
                     {"bit", step.site.bit},
                     {"search_loss", step.search_loss},
                     {"accuracy", step.accuracy},
                     {"random_accuracy", step.random_accuracy}});
  }
  return {{"golden_accuracy", result.golden_accuracy}, {"steps", steps}};
}

}  // namespace flatenn::analysis
