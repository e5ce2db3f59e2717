#include "engine/cuda/small_runner.h"

#include <algorithm>

namespace flatenn::engine::cuda {
namespace {

/// Jobs in a launch: enough to fill the card many times over; their logits cross the bus together.
constexpr int64_t kBatch = 32;

template <typename T>
void to_device(PinnedBuffer<T>& from, DeviceBuffer<T>& to, int64_t count, const Stream& stream) {
  to.reserve(count);
  FLATENN_CUDA_CHECK(cudaMemcpyAsync(to.data(), from.data(), static_cast<size_t>(count) * sizeof(T),
                                     cudaMemcpyHostToDevice, stream));
}

}  // namespace

std::unique_ptr<SmallRunner> SmallRunner::make(std::shared_ptr<const net::Network> network,
                                               std::shared_ptr<const ImageCodes> images) {
  std::optional<SmallPlan> plan = plan_small(*network, small_shared_limit());
  if (!plan) return nullptr;
  return std::unique_ptr<SmallRunner>(
      new SmallRunner(std::move(network), std::move(images), std::move(*plan)));
}

SmallRunner::SmallRunner(std::shared_ptr<const net::Network> network,
                         std::shared_ptr<const ImageCodes> images, SmallPlan plan)
    : network_(std::move(network)),
      images_(std::move(images)),
      plan_(std::move(plan)),
      codes_(place_images(plan_, images_->codes)),
      golden_weights_(plan_.packed),
      golden_factors_(plan_.factors),
      layouts_(plan_.weights),
      groups_(plan_.group_offsets) {
  std::vector<int8_t> copies;
  std::vector<ChannelFactor> factors;
  for (int64_t i = 0; i < kBatch; ++i) {
    copies.insert(copies.end(), plan_.packed.begin(), plan_.packed.end());
    factors.insert(factors.end(), plan_.factors.begin(), plan_.factors.end());
  }
  weights_ = DeviceBuffer<int8_t>(copies);
  factors_ = DeviceBuffer<ChannelFactor>(factors);
}

int64_t SmallRunner::images_of(const Job& job) const {
  return job.images.empty() ? images_->count : static_cast<int64_t>(job.images.size());
}

void SmallRunner::run(std::span<Job* const> jobs) {
  size_t next = 0;
  for (size_t i = 0; i < jobs.size(); i += kBatch) {
    Flight& flight = flights_[next];
    next = 1 - next;
    finish(flight);
    flight.jobs = jobs.subspan(i, std::min<size_t>(kBatch, jobs.size() - i));
    start(flight);
  }
  finish(flights_[next]);
  finish(flights_[1 - next]);
}

void SmallRunner::collect_changes(Flight& flight) {
  flight.weight_count = 0;
  flight.bias_count = 0;
  for (const Job* job : flight.jobs) {
    flight.weight_count += static_cast<int64_t>(job->weights.size());
    flight.bias_count += static_cast<int64_t>(job->biases.size());
  }
  flight.weights.reserve(flight.weight_count);
  flight.biases.reserve(flight.bias_count);
  SmallWeightWrite* weight = flight.weights.data();
  SmallBiasWrite* bias = flight.biases.data();
  const auto factors = static_cast<int64_t>(plan_.factors.size());
  for (size_t j = 0; j < flight.jobs.size(); ++j) {
    for (const WeightChange& change : flight.jobs[j]->weights) {
      const int64_t first = plan_.weights[static_cast<size_t>(change.layer)].first_element;
      *weight++ = {.element = static_cast<uint32_t>(first + change.element),
                   .code = change.code,
                   .job = static_cast<uint16_t>(j)};
    }
    for (const BiasChange& change : flight.jobs[j]->biases) {
      const int64_t golden =
          plan_.factor_of_layer[static_cast<size_t>(change.layer)] + change.channel;
      *bias++ = {.factor = static_cast<int64_t>(j) * factors + golden,
                 .golden = golden,
                 .bias = static_cast<float>(change.value)};
    }
  }
}

void SmallRunner::collect_images(Flight& flight) {
  flight.most_images = 0;
  flight.subsets = false;
  flight.counts.reserve(kBatch);
  for (size_t j = 0; j < flight.jobs.size(); ++j) {
    const Job& job = *flight.jobs[j];
    flight.counts.data()[j] = images_of(job);
    flight.most_images = std::max(flight.most_images, images_of(job));
    flight.subsets = flight.subsets || !job.images.empty();
  }
  if (!flight.subsets) return;
  flight.images.reserve(kBatch * flight.most_images);
  for (size_t j = 0; j < flight.jobs.size(); ++j) {
    const Job& job = *flight.jobs[j];
    int64_t* row = flight.images.data() + static_cast<int64_t>(j) * flight.most_images;
    for (int64_t i = 0; i < images_of(job); ++i) {
      row[i] = job.images.empty() ? i : job.images[static_cast<size_t>(i)];
    }
  }
}

void SmallRunner::start(Flight& flight) {
  collect_changes(flight);
  collect_images(flight);
  const auto jobs = static_cast<int64_t>(flight.jobs.size());
  const int64_t classes = network_->classes();
  const int64_t logits = jobs * flight.most_images * classes;
  flight.logits.reserve(logits);
  flight.device_logits.reserve(logits);
  to_device(flight.weights, flight.device_weights, flight.weight_count, stream_);
  to_device(flight.biases, flight.device_biases, flight.bias_count, stream_);
  to_device(flight.counts, flight.device_counts, jobs, stream_);
  if (flight.subsets) {
    to_device(flight.images, flight.device_images, jobs * flight.most_images, stream_);
  }
  const auto layers = static_cast<int>(plan_.weights.size());
  const auto bytes = static_cast<int64_t>(plan_.packed.size());
  launch_small_weight_writes(flight.device_weights.data(), flight.weight_count, layouts_.data(),
                             layers, nullptr, bytes, weights_.data(), stream_);
  launch_small_bias_writes(flight.device_biases.data(), flight.bias_count, nullptr, factors_.data(),
                           stream_);
  SmallArgs args{};
  std::copy(plan_.layers.begin(), plan_.layers.end(), args.layers);
  args.image = plan_.image;
  args.layer_count = static_cast<int32_t>(plan_.layers.size());
  args.shared_bytes = static_cast<int32_t>(plan_.shared_bytes);
  args.codes = codes_.data();
  args.groups = groups_.data();
  args.weights = reinterpret_cast<const uint8_t*>(weights_.data());
  args.weight_bytes = bytes;
  args.factors = factors_.data();
  args.factor_count = static_cast<int64_t>(plan_.factors.size());
  args.images = flight.subsets ? flight.device_images.data() : nullptr;
  args.counts = flight.device_counts.data();
  args.most_images = flight.most_images;
  args.logits = flight.device_logits.data();
  args.classes = static_cast<int32_t>(classes);
  launch_small(args, jobs, stream_);
  launch_small_weight_writes(flight.device_weights.data(), flight.weight_count, layouts_.data(),
                             layers, golden_weights_.data(), bytes, weights_.data(), stream_);
  launch_small_bias_writes(flight.device_biases.data(), flight.bias_count, golden_factors_.data(),
                           factors_.data(), stream_);
  FLATENN_CUDA_CHECK(cudaMemcpyAsync(flight.logits.data(), flight.device_logits.data(),
                                     static_cast<size_t>(logits) * sizeof(float),
                                     cudaMemcpyDeviceToHost, stream_));
  flight.done.record(stream_);
}

void SmallRunner::finish(Flight& flight) {
  if (flight.jobs.empty()) return;
  flight.done.wait();
  const int64_t stride = flight.most_images * network_->classes();
  for (size_t j = 0; j < flight.jobs.size(); ++j) {
    const std::span<float> logits = flight.jobs[j]->logits;
    std::copy_n(flight.logits.data() + static_cast<int64_t>(j) * stride, logits.size(),
                logits.begin());
  }
  flight.jobs = {};
}

}  // namespace flatenn::engine::cuda
