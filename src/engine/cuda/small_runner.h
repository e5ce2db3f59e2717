#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/cuda/small_kernel.h"
#include "engine/cuda/small_plan.h"
#include "engine/cuda/support.h"
#include "flatenn/engine/engine.h"

namespace flatenn::engine::cuda {

/// Runs small networks, many jobs in one launch. Every job has a copy of the weights on the device
/// that its changes are written into and put back from. Jobs must have no activation faults.
class SmallRunner {
 public:
  /// Nothing where the network is too large or of another form (see plan_small).
  static std::unique_ptr<SmallRunner> make(std::shared_ptr<const net::Network> network,
                                           std::shared_ptr<const ImageCodes> images);

  void run(std::span<Job* const> jobs);

 private:
  /// A batch of jobs in flight.
  struct Flight {
    std::span<Job* const> jobs;
    int64_t most_images = 0;
    bool subsets = false;
    int64_t weight_count = 0;
    int64_t bias_count = 0;
    PinnedBuffer<SmallWeightWrite> weights;
    PinnedBuffer<SmallBiasWrite> biases;
    PinnedBuffer<int64_t> counts, images;
    PinnedBuffer<float> logits;
    DeviceBuffer<SmallWeightWrite> device_weights;
    DeviceBuffer<SmallBiasWrite> device_biases;
    DeviceBuffer<int64_t> device_counts, device_images;
    DeviceBuffer<float> device_logits;
    Event done;
  };

  SmallRunner(std::shared_ptr<const net::Network> network, std::shared_ptr<const ImageCodes> images,
              SmallPlan plan);
  int64_t images_of(const Job& job) const;
  void start(Flight& flight);
  void collect_changes(Flight& flight);
  void collect_images(Flight& flight);
  void finish(Flight& flight);

  std::shared_ptr<const net::Network> network_;
  std::shared_ptr<const ImageCodes> images_;
  SmallPlan plan_;
  Stream stream_;
  DeviceBuffer<uint8_t> codes_;
  DeviceBuffer<int8_t> golden_weights_, weights_;
  DeviceBuffer<ChannelFactor> golden_factors_, factors_;
  DeviceBuffer<SmallWeightLayout> layouts_;
  DeviceBuffer<int32_t> groups_;
  std::array<Flight, 2> flights_;
};

}  // namespace flatenn::engine::cuda
