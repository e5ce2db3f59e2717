#include "flatenn/engine/bench.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "engine/lanes/runner.h"
#include "engine/process_time.h"
#include "engine/testing.h"
#include "flatenn/base/error.h"
#include "flatenn/base/parallel.h"
#include "net/testing.h"

namespace flatenn::engine {
namespace {

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

/// Jobs with their own logits.
class Trials {
 public:
  Trials(const net::Network& network, const ImageCodes& images, const BenchOptions& options)
      : logits_(static_cast<size_t>(options.trials)) {
    for (size_t i = 0; i < logits_.size(); ++i) {
      logits_[i].resize(static_cast<size_t>(images.count * network.classes()));
      Job job{.weights = testing::random_changes(network, options.bit_error_share, i + 1)};
      touch_first_layer(network, job);
      job.logits = logits_[i];
      jobs_.push_back(std::move(job));
    }
  }
  std::span<Job> jobs() { return jobs_; }

 private:
  /// So that every layer has to run.
  static void touch_first_layer(const net::Network& network, Job& job) {
    const net::WeightTensor first = net::weight_memory(network).front();
    if (!job.weights.empty() && job.weights.front().layer == first.layer) return;
    const int8_t code = network.layers[static_cast<size_t>(first.layer)].weights.codes[0];
    job.weights.push_back({.layer = static_cast<int32_t>(first.layer),
                           .element = 0,
                           .code = static_cast<int8_t>(code == 0 ? 1 : 0)});
  }

  std::vector<std::vector<float>> logits_;
  std::vector<Job> jobs_;
};

std::vector<LayerBench> bench_layers(Engine& engine, const net::Network& network,
                                     const ImageCodes& images, double thread_peak,
                                     int64_t repetitions) {
  std::vector<std::vector<double>> times(network.layers.size());
  for (int64_t i = 0; i < repetitions; ++i) {
    const auto seconds = engine.time_layers();
    if (!seconds) return {};
    for (size_t layer = 0; layer < times.size(); ++layer) {
      times[layer].push_back((*seconds)[layer]);
    }
  }
  std::vector<LayerBench> layers;
  for (size_t i = 0; i < times.size(); ++i) {
    const net::Layer& layer = network.layers[i];
    if (!layer.multiplies()) continue;
    LayerBench result{.name = layer.name,
                      .macs = net::macs(network, layer),
                      .seconds = spread_of(std::move(times[i]))};
    result.gmacs_per_second = 1e-9 * static_cast<double>(result.macs) *
                              static_cast<double>(images.count) / result.seconds.median;
    result.share_of_peak = result.gmacs_per_second / thread_peak;
    layers.push_back(std::move(result));
  }
  return layers;
}

}  // namespace

double measure_peak(int64_t threads) {
  constexpr int64_t kRounds = 2'000'000;
  constexpr int kRepetitions = 5;
  const lanes::Kernels& kernels = lanes::kernels_for(best_isa());
  const int64_t count = resolve_threads(threads);
  const int64_t rounds = kernels.isa == Isa::kBaseline ? kRounds / 20 : kRounds;
  std::vector<int64_t> macs(static_cast<size_t>(count));
  double best = 0;
  for (int i = 0; i < kRepetitions; ++i) {
    const double seconds = seconds_of([&] {
      parallel_for(count, count, [&](int64_t thread) {
        macs[static_cast<size_t>(thread)] = kernels.peak(rounds);
      });
    });
    best = std::max(best, 1e-9 * static_cast<double>(macs[0] * count) / seconds);
  }
  return best;
}

BenchReport bench(Engine& engine, const net::Network& network, const ImageCodes& images,
                  int64_t threads, const BenchOptions& options) {
  FLATENN_CHECK(options.trials > 0 && options.repetitions > 0,
                "bench: trials and repetitions must be positive");
  FLATENN_CHECK(options.bit_error_share >= 0 && options.bit_error_share <= 1,
                "bench: share of changed weights must be in [0, 1], got ", options.bit_error_share);
  BenchReport report{.engine = engine.name(), .images = images.count};
  for (const net::Layer& layer : network.layers) report.macs += net::macs(network, layer);
  report.peak_gmacs_per_second = measure_peak(threads);
  Trials trials(network, images, options);
  engine.run(trials.jobs());
  std::vector<double> seconds;
  std::vector<double> cpu;
  const auto jobs = static_cast<double>(options.trials);
  for (int64_t i = 0; i < options.repetitions; ++i) {
    const double before = process_seconds();
    seconds.push_back(seconds_of([&] { engine.run(trials.jobs()); }) / jobs);
    cpu.push_back((process_seconds() - before) / jobs);
  }
  report.trial_seconds = spread_of(seconds);
  report.trial_cpu_seconds = spread_of(cpu);
  const auto count = static_cast<double>(images.count);
  report.images_per_second = {count / report.trial_seconds.median,
                              count / report.trial_seconds.fastest,
                              count / report.trial_seconds.slowest};
  report.trials_per_second = 1 / report.trial_seconds.median;
  report.gmacs_per_second =
      1e-9 * static_cast<double>(report.macs) * count / report.trial_seconds.median;
  const double thread_peak =
      report.peak_gmacs_per_second / static_cast<double>(resolve_threads(threads));
  report.layers = bench_layers(engine, network, images, thread_peak, options.repetitions);
  return report;
}

net::Network bench_network(const std::string& name, int bits) {
  const net::testing::RandomOptions options{.weight_bits = bits, .activation_bits = bits};
  if (name == "lenet5") return net::testing::lenet(options);
  if (name == "resnet20") return net::testing::resnet20(options);
  if (name == "resnet18") return net::testing::resnet18(options);
  throw Error("bench: expected lenet5, resnet20, resnet18 or an ONNX file, got " + name);
}

std::shared_ptr<const ImageCodes> bench_images(const net::Network& network, int64_t count) {
  return testing::random_images(network, count, 1);
}

}  // namespace flatenn::engine
