#include <benchmark/benchmark.h>

#include "engine/cuda/cuda_engine.h"
#include "engine/cuda/layered_runner.h"
#include "engine/reference.h"
#include "engine/testing.h"
#include "flatenn/base/error.h"
#include "net/testing.h"

/// Fault maps a second of the CUDA engine on networks of real size with random weights: every job
/// runs over 10,000 images, its map hits every layer. Before it reports, a benchmark compares the
/// logits of some images with the reference engine's.
namespace flatenn::engine {
namespace {

constexpr int64_t kImages = 10000;

void check(Engine& engine, const std::shared_ptr<const net::Network>& network,
           const std::shared_ptr<const ImageCodes>& images, Job job) {
  const std::vector<int64_t> chosen{0, 1, kImages / 2, kImages - 1};
  const auto classes = static_cast<size_t>(network->classes());
  std::vector<float> expected(chosen.size() * classes);
  job.images = chosen;
  job.logits = expected;
  ReferenceEngine(network, images, 0).run({&job, 1});
  std::vector<float> all(static_cast<size_t>(kImages) * classes);
  job.images = {};
  job.logits = all;
  engine.run({&job, 1});
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto image = static_cast<size_t>(chosen[i / classes]);
    FLATENN_CHECK(all[image * classes + i % classes] == expected[i],
                  "the CUDA engine and the reference differ at image ", image);
  }
}

void run_maps(benchmark::State& state, const net::Network& source) {
  const auto network = std::make_shared<net::Network>(source);
  const auto images = testing::random_images(*network, kImages, 5);
  const auto engine = make_cuda_engine(network, images, {});
  const int64_t jobs_at_once = state.range(0);
  std::vector<Job> jobs(static_cast<size_t>(jobs_at_once));
  std::vector<std::vector<float>> logits(jobs.size());
  for (size_t i = 0; i < jobs.size(); ++i) {
    logits[i].resize(static_cast<size_t>(kImages * network->classes()));
    jobs[i].weights = testing::random_changes(*network, 0.04, i);  // As 1 % of 4-bit codes' bits.
    jobs[i].logits = logits[i];
  }
  check(*engine, network, images, jobs.front());
  for (auto _ : state) engine->run(jobs);
  state.SetLabel(engine->name());
  double macs = 0;
  for (const net::Layer& layer : network->layers) {
    if (layer.multiplies()) macs += static_cast<double>(net::macs(*network, layer));
  }
  const auto maps = static_cast<double>(jobs_at_once);
  constexpr auto kRate = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["maps/s"] = benchmark::Counter(maps, kRate);
  state.counters["TOP/s"] =
      benchmark::Counter(2e-12 * macs * maps * static_cast<double>(kImages), kRate);
}

void lenet5(benchmark::State& state) { run_maps(state, net::testing::lenet({.seed = 1})); }
void resnet20(benchmark::State& state) {
  run_maps(state, net::testing::cifar_resnet({.seed = 1}, {16, 32, 64}, 3));
}
void resnet18(benchmark::State& state) {
  run_maps(state, net::testing::cifar_resnet({.seed = 1}, {64, 128, 256, 512}, 2));
}

/// The choice of how many images pass through the layers together.
void resnet18_chunk(benchmark::State& state) {
  const auto network = std::make_shared<net::Network>(
      net::testing::cifar_resnet({.seed = 1}, {64, 128, 256, 512}, 2));
  cuda::LayeredRunner runner(network, testing::random_images(*network, kImages, 5),
                             {.chunk = state.range(0)});
  Job job{.weights = testing::random_changes(*network, 0.04, 1)};
  std::vector<float> logits(static_cast<size_t>(kImages * network->classes()));
  job.logits = logits;
  runner.run({&job, 1});
  for (auto _ : state) runner.run({&job, 1});
}

BENCHMARK(lenet5)->Arg(1)->Arg(256)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(resnet20)->Arg(8)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(resnet18_chunk)
    ->Arg(125)
    ->Arg(250)
    ->Arg(500)
    ->Arg(1000)
    ->Arg(2500)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(resnet18)->Arg(1)->Arg(8)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace flatenn::engine

BENCHMARK_MAIN();
