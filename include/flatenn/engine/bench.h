#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flatenn/engine/engine.h"

namespace flatenn::engine {

/// Of repeated measurements.
struct Spread {
  double median = 0;
  double fastest = 0;
  double slowest = 0;
};

struct BenchOptions {
  int64_t trials = 4;             ///< Jobs handed to the engine at once.
  int64_t repetitions = 7;        ///< Timed ones, after one that warms up.
  double bit_error_share = 0.01;  ///< Share of weights replaced by random codes in each job.
};

struct LayerBench {
  std::string name;
  int64_t macs = 0;             ///< Of one image.
  Spread seconds;               ///< Thread-seconds for one pass over all images.
  double gmacs_per_second = 0;  ///< Of one thread, from the median.
  double share_of_peak = 0;
};

struct BenchReport {
  std::string engine;
  int64_t images = 0;
  int64_t macs = 0;      ///< Of one image.
  Spread trial_seconds;  ///< Wall clock of one trial over all images, faults applied and undone.
  Spread
      trial_cpu_seconds;  ///< Processor time of all threads for one; steadier on a shared machine.
  Spread images_per_second;
  double trials_per_second = 0;
  double gmacs_per_second = 0;
  double peak_gmacs_per_second = 0;  ///< All threads together, measured on this machine.
  std::vector<LayerBench> layers;    ///< Multiplying ones; empty where the engine cannot tell.
};

/// Measures an engine on trials whose weights change in every layer, so nothing is taken from the
/// golden pass. Changes are a function of the trial, the same on every machine.
BenchReport bench(Engine& engine, const net::Network& network, const ImageCodes& images,
                  int64_t threads, const BenchOptions& options);

/// The fastest int8 multiply-accumulates this machine's own kernels can issue from L1, on `threads`
/// threads, in 1e9 a second.
double measure_peak(int64_t threads);

/// A network with random weights for benchmarks without a model: "lenet5", "resnet20", "resnet18".
/// Throws Error listing the choices.
net::Network bench_network(const std::string& name, int bits);
/// Random images for it.
std::shared_ptr<const ImageCodes> bench_images(const net::Network& network, int64_t count);

}  // namespace flatenn::engine
