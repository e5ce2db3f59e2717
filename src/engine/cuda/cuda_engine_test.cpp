#include "engine/cuda/cuda_engine.h"

#include <gtest/gtest.h>

#include <thread>

#include "engine/cuda/layered_runner.h"
#include "engine/reference.h"
#include "engine/testing.h"
#include "flatenn/base/error.h"
#include "net/testing.h"

namespace flatenn::engine {
namespace {

using net::testing::NamedNetwork;

constexpr int64_t kImages = 37;  // Fills neither a block of 16 images nor a tile of pixels.

/// A network with images and the reference engine.
struct Bench {
  explicit Bench(const net::Network& source, int64_t count = kImages)
      : network(std::make_shared<net::Network>(source)),
        images(testing::random_images(*network, count, 5)),
        reference(network, images, 0) {}

  std::vector<float> run(Engine& engine, const Job& job) const {
    return run_with([&](std::span<Job> jobs) { engine.run(jobs); }, job);
  }
  template <typename Run>
  std::vector<float> run_with(const Run& run, Job job) const {
    const auto count = job.images.empty() ? static_cast<size_t>(images->count) : job.images.size();
    std::vector<float> logits(count * static_cast<size_t>(network->classes()), -1.0F);
    job.logits = logits;
    run(std::span<Job>(&job, 1));
    return logits;
  }

  std::shared_ptr<const net::Network> network;
  std::shared_ptr<const ImageCodes> images;
  mutable ReferenceEngine reference;
};

class CudaEngine : public ::testing::TestWithParam<NamedNetwork> {
 protected:
  void SetUp() override {
    if (const std::string reason = cuda_unavailable(); !reason.empty()) GTEST_SKIP() << reason;
  }
};

/// Changed weights and biases from a layer on.
Job faulty_job(const net::Network& network, uint64_t seed, int64_t first_layer = 0) {
  Job job;
  job.weights = testing::random_changes(network, 0.05, seed, first_layer);
  for (size_t i = static_cast<size_t>(first_layer); i < network.layers.size(); ++i) {
    if (!network.layers[i].multiplies()) continue;
    job.biases.push_back({.layer = static_cast<int32_t>(i), .channel = 1, .value = -77});
  }
  return job;
}

TEST_P(CudaEngine, GivesTheReferencesLogits) {
  const Bench bench(GetParam().network);
  const auto engine = make_cuda_engine(bench.network, bench.images, {});
  const std::vector<float> golden = bench.run(bench.reference, {});
  EXPECT_EQ(bench.run(*engine, {}), golden);
  const Job job = faulty_job(*bench.network, 3);
  EXPECT_EQ(bench.run(*engine, job), bench.run(bench.reference, job));
  EXPECT_EQ(bench.run(*engine, {}), golden) << "the faults were not undone";
}

TEST_P(CudaEngine, BeginsAtTheFirstFaultyLayer) {
  const Bench bench(GetParam().network);
  const auto engine = make_cuda_engine(bench.network, bench.images, {});
  for (size_t layer = 0; layer < bench.network->layers.size(); ++layer) {
    const Job job = faulty_job(*bench.network, 9, static_cast<int64_t>(layer));
    EXPECT_EQ(bench.run(*engine, job), bench.run(bench.reference, job)) << "from layer " << layer;
  }
}

TEST_P(CudaEngine, RunsAnyListOfImages) {
  const Bench bench(GetParam().network);
  const auto engine = make_cuda_engine(bench.network, bench.images, {});
  const std::vector<int64_t> chosen{36, 0, 5, 5, 20};
  for (const int64_t first_layer : {0, 2}) {
    Job job = faulty_job(*bench.network, 4, first_layer);
    job.images = chosen;
    EXPECT_EQ(bench.run(*engine, job), bench.run(bench.reference, job));
  }
}

TEST_P(CudaEngine, AppliesActivationFaults) {
  const Bench bench(GetParam().network);
  const auto engine = make_cuda_engine(bench.network, bench.images, {});
  const testing::RandomActivationFaults faults(*bench.network, 0.02, 6);
  Job job = faulty_job(*bench.network, 8);
  job.activations = &faults;
  EXPECT_EQ(bench.run(*engine, job), bench.run(bench.reference, job));
  const std::vector<int64_t> chosen{30, 1, 17};
  job.images = chosen;
  EXPECT_EQ(bench.run(*engine, job), bench.run(bench.reference, job));
}

TEST_P(CudaEngine, TellsTheReferencesCodes) {
  const Bench bench(GetParam().network, 5);
  const auto engine = make_cuda_engine(bench.network, bench.images, {});
  const Job job = faulty_job(*bench.network, 2);
  for (size_t i = 0; i < bench.network->activations.size(); ++i) {
    if (bench.network->activations[i].is_float) continue;
    const auto index = static_cast<int64_t>(i);
    EXPECT_EQ(engine->codes(job, index), bench.reference.codes(job, index))
        << bench.network->activations[i].name;
  }
}

/// Layer by layer with and without matrix instructions, in chunks that do not divide the images.
TEST_P(CudaEngine, LayersAgreeWithAndWithoutTensorCores) {
  const Bench bench(GetParam().network);
  const Job job = faulty_job(*bench.network, 3);
  const std::vector<float> expected = bench.run(bench.reference, job);
  for (const bool tiles : {true, false}) {
    cuda::LayeredRunner runner(bench.network, bench.images, {.tile_kernels = tiles, .chunk = 16});
    const auto run = [&](std::span<Job> jobs) { runner.run(jobs); };
    EXPECT_EQ(bench.run_with(run, job), expected) << (tiles ? "tensor cores" : "plain");
  }
}

/// Also from a thread that did not make it, and beside the engines of the others.
TEST_P(CudaEngine, GivesTheReferencesLogitsOnEveryDevice) {
  if (cuda_device_count() < 2) GTEST_SKIP() << "this machine has one GPU";
  const Bench bench(GetParam().network);
  const Job job = faulty_job(*bench.network, 3);
  const std::vector<float> expected = bench.run(bench.reference, job);
  std::vector<std::unique_ptr<Engine>> engines;
  for (int64_t device = 0; device < cuda_device_count(); ++device)
    engines.push_back(make_cuda_engine(bench.network, bench.images, {.device = device}));
  std::vector<std::vector<float>> logits(engines.size());
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < engines.size(); ++i)
      threads.emplace_back([&, i] { logits[i] = bench.run(*engines[i], job); });
  }
  for (size_t i = 0; i < engines.size(); ++i) EXPECT_EQ(logits[i], expected) << "device " << i;
}

TEST(CudaDevices, ThatAreMissingAreNamed) {
  if (const std::string reason = cuda_unavailable(); !reason.empty()) GTEST_SKIP() << reason;
  const Bench bench(net::testing::mlp({.seed = 1}), 3);
  try {
    make_cuda_engine(bench.network, bench.images, {.device = 63});
    ADD_FAILURE() << "nothing was said";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("engine cuda:63: this machine has "),
              std::string::npos);
  }
}

TEST_P(CudaEngine, RunsManyJobsAtOnce) {
  constexpr size_t kJobs = 70;
  const Bench bench(GetParam().network, 3);
  const auto engine = make_cuda_engine(bench.network, bench.images, {});
  std::vector<Job> jobs;
  std::vector<std::vector<float>> logits(kJobs);
  for (size_t i = 0; i < kJobs; ++i) {
    logits[i].resize(static_cast<size_t>(3 * bench.network->classes()));
    jobs.push_back(faulty_job(*bench.network, i));
    jobs.back().logits = logits[i];
  }
  engine->run(jobs);
  for (const size_t i : {size_t{0}, size_t{31}, size_t{32}, kJobs - 1}) {
    EXPECT_EQ(logits[i], bench.run(bench.reference, jobs[i])) << "job " << i;
  }
}

std::vector<NamedNetwork> networks() {
  std::vector<NamedNetwork> result = net::testing::zoo();
  const auto add = [&](const std::string& name, net::Network network) {
    result.push_back({name, std::move(network)});
  };
  add("Lenet28", net::testing::lenet({.seed = 21}));
  add("Wide", net::testing::residual({.seed = 22}, 64, 16));
  add("Wider8",
      net::testing::residual({.seed = 23, .weight_bits = 8, .activation_bits = 8}, 128, 8));
  add("Uneven", net::testing::residual({.seed = 24}, 40, 14));
  add("Resnet20", net::testing::cifar_resnet({.seed = 25}, {16, 32, 64}, 1));
  return result;
}

INSTANTIATE_TEST_SUITE_P(Zoo, CudaEngine, ::testing::ValuesIn(networks()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace flatenn::engine
