#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flatenn/data/image_set.h"
#include "flatenn/interop/float_graph.h"
#include "flatenn/net/network.h"

/// Post-training quantization: a float network and some images make a frozen network.
namespace flatenn::calibration {

/// How a tensor's range is chosen from the values that it takes.
enum class RangeMethod {
  kMinMax,      ///< The smallest and the largest one.
  kPercentile,  ///< What `percentile` percent of them lie within, as many left out on each side.
  kMse,         ///< The range with the least mean squared error of quantized values; weights' too.
};
/// "min-max", "percentile", "mse".
const std::vector<std::string>& range_method_names();
/// Throws Error listing the choices.
RangeMethod parse_range_method(const std::string& name);

struct CalibrationOptions {
  RangeMethod method = RangeMethod::kMinMax;
  double percentile = 99.99;     ///< In (50, 100].
  int weight_bits = 8;           ///< 2..8.
  int activation_bits = 8;       ///< 2..8; the image keeps 8.
  bool per_channel = false;      ///< A weight scale for each output channel.
  bool bias_correction = false;  ///< Biases take up the mean error of each output channel.
  bool equalize = false;         ///< Cross-layer equalization of weights before.
  int64_t threads = 0;           ///< 0: all cores.
};

/// What became of one layer.
struct CalibratedLayer {
  std::string name;
  std::string kind;     ///< "conv", "linear", "table", "add", ...
  int weight_bits = 0;  ///< 0: it has none.
  int output_bits = 0;  ///< 0: float logits.
  bool output_is_signed = false;
  float low = 0;  ///< Range of the output as quantized; of float logits, as observed.
  float high = 0;
};

struct Calibrated {
  net::Network network;
  std::vector<CalibratedLayer> layers;
  int64_t equalized_pairs = 0;
  int64_t correction_images = 0;  ///< That bias correction looked at: as many as memory allows.
};

/// The graph for images of this shape: flattened, channels last or as it is. Throws Error where the
/// network takes others.
interop::FloatGraph fit_images(interop::FloatGraph graph, const data::ImageSet& images);

/// Quantizes a network: weights symmetric, biases int32, activations unsigned where they are never
/// negative, else signed, with a zero point where that makes steps much finer; the image signed and
/// symmetric, or unsigned where no pixel is negative. Limits (ReLU, ReLU6) join the layer before,
/// other functions become tables. Throws Error naming the layer where weights or values are not
/// finite.
Calibrated calibrate(interop::FloatGraph graph, const data::ImageSet& images,
                     const CalibrationOptions& options);

/// Logits of the float network, [count, classes].
std::vector<float> float_logits(const interop::FloatGraph& graph, const data::ImageSet& images,
                                int64_t threads);

}  // namespace flatenn::calibration
