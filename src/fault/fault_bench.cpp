// Drawing a map, applying it to the stored codes and undoing it: the work a trial adds to a pass.
#include <benchmark/benchmark.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "fault/test_network.h"
#include "flatenn/fault/injector.h"

namespace {

using namespace flatenn;

/// Weights of ResNet-18 in CIFAR form: 11.16 million.
std::shared_ptr<const net::Network> resnet18(int bits) {
  std::vector<fault::TestLayer> layers{{"stem", {64, 3, 3, 3}, bits}};
  int64_t in = 64;
  for (const int64_t width : {64, 128, 256, 512}) {
    for (int block = 0; block < 2; ++block) {
      const std::string name = std::to_string(width) + "_" + std::to_string(block);
      layers.push_back({"conv_a" + name, {width, in, 3, 3}, bits});
      layers.push_back({"conv_b" + name, {width, width, 3, 3}, bits});
      if (in != width) layers.push_back({"down" + name, {width, in, 1, 1}, bits});
      in = width;
    }
  }
  layers.push_back({"fc", {10, 512, 1, 1}, bits});
  return fault::make_test_network(layers);
}

std::shared_ptr<const net::Network> lenet5() {
  return fault::make_test_network({{"conv1", {6, 1, 5, 5}, 4},
                                   {"conv2", {16, 6, 5, 5}, 4},
                                   {"fc1", {120, 400, 1, 1}, 4},
                                   {"fc2", {84, 120, 1, 1}, 4},
                                   {"fc3", {10, 84, 1, 1}, 4}});
}

bool plausible(int64_t drawn, int64_t trials, double bits, double rate) {
  const double mean = bits * rate * static_cast<double>(trials);
  return std::abs(static_cast<double>(drawn) - mean) <= 6 * std::sqrt(mean);
}

void run(benchmark::State& state, const std::shared_ptr<const net::Network>& network, double rate,
         const fault::Protection& protection = {}) {
  const fault::Injector injector(network, {.sources = {{}}, .protection = protection});
  net::Network copy = *injector.network();
  uint64_t trial = 0;
  int64_t drawn = 0;
  fault::Injection injection;  // used again for each trial, as campaigns do
  for (auto _ : state) {
    injector.inject(rate, 1, trial++, injection);
    for (const fault::WeightChange& change : injection.weights) {
      copy.layers[static_cast<size_t>(change.layer)]
          .weights.codes[static_cast<size_t>(change.element)] = change.code;
    }
    benchmark::ClobberMemory();
    for (const fault::WeightChange& change : injection.weights) {
      auto& codes = copy.layers[static_cast<size_t>(change.layer)].weights.codes;
      codes[static_cast<size_t>(change.element)] =
          injector.network()
              ->layers[static_cast<size_t>(change.layer)]
              .weights.codes[static_cast<size_t>(change.element)];
    }
    drawn += injection.counts.drawn;
  }
  for (size_t i = 0; i < copy.layers.size(); ++i) {
    if (copy.layers[i].weights.codes != injector.network()->layers[i].weights.codes) {
      state.SkipWithError("undoing left a changed code");
    }
  }
  const auto bits = static_cast<double>(injector.layout().weight_bits());
  if (!plausible(drawn, static_cast<int64_t>(trial), bits, rate)) {
    state.SkipWithError("the number of faults does not fit the rate");
  }
  state.counters["faults"] = static_cast<double>(drawn) / static_cast<double>(trial);
}

}  // namespace

int main(int argc, char** argv) {
  const auto large = resnet18(8);
  const auto packed = resnet18(4);
  const auto small = lenet5();
  const auto add = [](const std::string& name, auto body) {
    benchmark::RegisterBenchmark(name.c_str(), body)->Unit(benchmark::kMicrosecond);
  };
  for (const double rate : {1e-6, 1e-5, 1e-4, 1e-3}) {
    const std::string p = "/p:" + std::to_string(rate);
    add("draw_apply_undo/resnet18_8bit" + p,
        [=](benchmark::State& state) { run(state, large, rate); });
  }
  for (const double rate : {1e-3, 1e-2, 0.05}) {
    const std::string p = "/p:" + std::to_string(rate);
    add("draw_apply_undo/resnet18_4bit" + p,
        [=](benchmark::State& state) { run(state, packed, rate); });
  }
  for (const double rate : {1e-3, 1e-2, 0.05, 0.2}) {
    const std::string p = "/p:" + std::to_string(rate);
    add("draw_apply_undo/lenet5_4bit" + p,
        [=](benchmark::State& state) { run(state, small, rate); });
    add("draw_apply_undo/lenet5_4bit_secded" + p, [=](benchmark::State& state) {
      run(state, small, rate, {.code = fault::CheckCode::kSecded});
    });
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
