#include "flatenn/calibration/calibrate.h"

#include <cmath>

#include "calibration/bias_correction.h"
#include "calibration/equalize.h"
#include "calibration/fold.h"
#include "calibration/network_builder.h"
#include "calibration/observe.h"
#include "calibration/quantized_weights.h"
#include "flatenn/base/error.h"

namespace flatenn::calibration {
namespace {

void check_options(const CalibrationOptions& options) {
  const auto bits = [](int value) { return value >= 2 && value <= 8; };
  FLATENN_CHECK(bits(options.weight_bits), "calibration: weight bits must be in 2..8, got ",
                options.weight_bits);
  FLATENN_CHECK(bits(options.activation_bits), "calibration: activation bits must be in 2..8, got ",
                options.activation_bits);
  FLATENN_CHECK(options.percentile > 50 && options.percentile <= 100,
                "calibration: the percentile must be above 50 and at most 100, got ",
                options.percentile);
}

/// Weights of all products; `quantized` takes their real values.
std::vector<net::Weights> quantize_weights(QuantizedGraph& quantized,
                                           const CalibrationOptions& options) {
  std::vector<net::Weights> weights(quantized.graph.ops.size());
  for (size_t i = 0; i < weights.size(); ++i) {
    FloatOp& op = quantized.graph.ops[i];
    if (!op.multiplies()) continue;
    weights[i] =
        quantized_weights(op, quantized.codes[static_cast<size_t>(op.inputs[0])].scale, options);
    op.weights.values = real_values(weights[i]);
  }
  return weights;
}

std::vector<CalibratedLayer> describe(const net::Network& network) {
  std::vector<CalibratedLayer> result;
  for (const net::Layer& layer : network.layers) {
    const net::Activation& dst = network.activations[static_cast<size_t>(layer.dst)];
    CalibratedLayer row{.name = layer.name, .kind = net::kind_name(layer.kind)};
    if (layer.multiplies()) row.weight_bits = layer.weights.bits;
    if (!dst.is_float) {
      row.output_bits = dst.bits;
      row.output_is_signed = dst.is_signed;
      row.low = dst.scale * static_cast<float>(dst.min_code() - dst.zero_point);
      row.high = dst.scale * static_cast<float>(dst.max_code() - dst.zero_point);
    }
    result.push_back(row);
  }
  return result;
}

}  // namespace

Calibrated calibrate(interop::FloatGraph graph, const data::ImageSet& images,
                     const CalibrationOptions& options) {
  check_options(options);
  FLATENN_CHECK(images.count > 0, "calibration: needs at least one image");
  graph = fit_images(std::move(graph), images);
  fold(graph);
  FLATENN_CHECK(!graph.ops.empty(), "network ", graph.name, ": holds nothing that computes");
  Calibrated result;
  if (options.equalize) result.equalized_pairs = equalize(graph);
  QuantizedGraph quantized{.graph = graph,
                           .codes = choose_codes(graph, images, options),
                           .rounds = std::vector<bool>(graph.tensors.size(), true)};
  quantized.rounds[static_cast<size_t>(graph.output)] = !has_float_logits(graph);
  const std::vector<net::Weights> weights = quantize_weights(quantized, options);
  if (options.bias_correction) {
    result.correction_images = correct_biases(graph, quantized, images, options.threads);
  }
  result.network = build_network(quantized, weights);
  result.network.validate();
  result.layers = describe(result.network);
  return result;
}

}  // namespace flatenn::calibration
