#include "flatenn/analysis/flip_estimates.h"

#include <nlohmann/json.hpp>

#include "flatenn/analysis/rank_correlation.h"
#include "flatenn/base/error.h"

namespace flatenn::analysis {
namespace {

uint16_t faulty_word(uint16_t word, int bit, fault::FaultKind kind) {
  const auto mask = static_cast<uint16_t>(1U << bit);
  switch (kind) {
    case fault::FaultKind::kBitFlip:
      return static_cast<uint16_t>(word ^ mask);
    case fault::FaultKind::kStuckAt0:
    case fault::FaultKind::kFlip1To0:
      return static_cast<uint16_t>(word & ~mask);
    case fault::FaultKind::kStuckAt1:
    case fault::FaultKind::kFlip0To1:
      return static_cast<uint16_t>(word | mask);
  }
  return word;
}

}  // namespace

torch::Tensor bit_changes(const net::Layer& layer, fault::FaultKind kind,
                          fault::Encoding encoding) {
  const net::Weights& weights = layer.weights;
  const int64_t per_channel = weights.fan_in();
  const int word_bits = fault::word_bits(weights.bits, encoding);
  torch::Tensor changes = torch::empty({weights.elements(), word_bits});
  float* out = changes.data_ptr<float>();
  for (int64_t element = 0; element < weights.elements(); ++element) {
    const int8_t code = weights.codes[static_cast<size_t>(element)];
    const uint16_t word = fault::encode(code, weights.bits, encoding);
    for (int bit = 0; bit < word_bits; ++bit) {
      const int8_t faulty = fault::decode(faulty_word(word, bit, kind), weights.bits, encoding);
      *out++ = static_cast<float>(weights.value(faulty) - weights.value(code)) *
               weights.scale(element / per_channel);
    }
  }
  return changes;
}

std::vector<CellEstimate> estimate_cells(const LossSurface& surface,
                                         const SensitivityReport& report,
                                         const SensitivityOptions& options, int64_t fisher_images,
                                         const ImageObserver& observer) {
  const net::Network& network = surface.view().network();
  const auto gradients = surface.split(surface.gradient(surface.zero_move()));
  const auto fishers = surface.split(surface.squared_gradients(fisher_images, observer));
  std::vector<CellEstimate> estimates;
  torch::Tensor first, second;
  int64_t layer_of_sums = -1;
  size_t next_weight = 0;
  for (const SensitivityCell& cell : report.cells) {
    if (cell.layer != layer_of_sums) {
      const net::Layer& layer = network.layers[static_cast<size_t>(cell.layer)];
      const torch::Tensor changes = bit_changes(layer, options.kind, options.encoding);
      const torch::Tensor g = gradients[next_weight].reshape({-1, 1}).cpu();
      const torch::Tensor f = fishers[next_weight].reshape({-1, 1}).cpu();
      first = (changes * g).sum(0, false, torch::kFloat64) * options.rate;
      second = first + (changes.square() * f).sum(0, false, torch::kFloat64) * (options.rate / 2);
      layer_of_sums = cell.layer;
      ++next_weight;
    }
    estimates.push_back({first[cell.bit].item<double>(), second[cell.bit].item<double>()});
  }
  return estimates;
}

nlohmann::json compare_estimates(const LossSurface& surface, const SensitivityReport& report,
                                 const SensitivityOptions& options, const ImageObserver& observer) {
  const std::vector<CellEstimate> estimates =
      estimate_cells(surface, report, options, surface.images(), observer);
  std::vector<double> first, second, rise, loss;
  for (size_t i = 0; i < estimates.size(); ++i) {
    first.push_back(estimates[i].first_order);
    second.push_back(estimates[i].second_order);
    rise.push_back(report.cells[i].loss_rise.mean);
    loss.push_back(report.cells[i].accuracy_loss.mean);
  }
  const auto correlation = [](const std::vector<double>& a, const std::vector<double>& b) {
    const RankCorrelation r = spearman(a, b);
    return nlohmann::json{{"rho", r.rho}, {"low", r.low}, {"high", r.high}, {"n", r.n}};
  };
  return {{"images", surface.images()},
          {"first_order", first},
          {"second_order", second},
          {"first_order_with_accuracy_loss", correlation(first, loss)},
          {"second_order_with_accuracy_loss", correlation(second, loss)},
          {"first_order_with_loss_rise", correlation(first, rise)},
          {"second_order_with_loss_rise", correlation(second, rise)}};
}

}  // namespace flatenn::analysis
