#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/cuda/layered_plan.h"
#include "engine/cuda/plain_kernels.h"
#include "engine/cuda/support.h"
#include "engine/cuda/tensor_map.h"
#include "flatenn/engine/engine.h"

namespace flatenn::engine::cuda {

/// Runs a network layer by layer, a chunk of images at a time. Jobs follow one another; a job's
/// changes are written into the one copy of the weights and put back afterwards. Where memory
/// allows, the fault-free activations of all images stay on the device and a job begins at its
/// first faulty layer.
class LayeredRunner {
 public:
  struct Limits {
    bool tile_kernels = true;  ///< The card has Hopper's matrix instructions.
    int64_t chunk = 0;         ///< Images at a time; 0: as many as suit the card.
    int64_t threads = 1;       ///< Of the host, for drawing activation faults.
  };
  LayeredRunner(std::shared_ptr<const net::Network> network,
                std::shared_ptr<const ImageCodes> images, const Limits& limits);

  void run(std::span<Job> jobs);
  std::vector<int16_t> codes(const Job& job, int64_t activation);

 private:
  /// Where a step's tensors lie: scratch memory of the chunk, or the fault-free pass's memory.
  enum Place : size_t { kScratch = 0, kGolden = 1 };
  struct TensorMaps {
    CUtensorMap weights;
    std::array<CUtensorMap, 2> src, dst, skip;  ///< By Place.
  };
  /// One job in flight: what the host wrote for it and what comes back.
  struct Flight {
    PinnedBuffer<WeightWrite> weights;
    PinnedBuffer<BiasWrite> biases;
    PinnedBuffer<float> logits;
    DeviceBuffer<WeightWrite> device_weights;
    DeviceBuffer<BiasWrite> device_biases;
    DeviceBuffer<float> device_logits;
    Event done;
    Job* job = nullptr;
  };
  /// A run over images [start, start + count) of the job's list.
  struct Pass {
    const Job* job = nullptr;
    int64_t start = 0;
    int64_t count = 0;
    int64_t first_step = 0;  ///< Earlier tensors come from the fault-free pass.
    int64_t end_step = 0;
    bool writes_golden = false;
    float* logits = nullptr;  ///< Of the chunk's first image.
  };

  void choose_chunk(int64_t wanted);
  void make_tensor_maps();
  void keep_golden();
  int64_t first_step(const Job& job) const;
  int64_t image_of(const Job& job, int64_t position) const;

  void start(Job& job, Flight& flight);
  void finish(Flight& flight);
  void apply_changes(const Job& job, Flight& flight);
  void undo_changes(const Job& job, Flight& flight);
  template <typename Body>
  void for_chunks(const Job& job, const Body& body);

  void run_pass(const Pass& pass);
  void gather_sources(const Pass& pass);
  void run_step(const Pass& pass, int64_t index);
  void run_conv_tile(const Pass& pass, int64_t index);
  void apply_masks(const Pass& pass, int64_t activation, const View& tensor, bool planar);

  Place place_of(const Pass& pass, int64_t tensor) const;
  uint8_t* tensor_data(Place place, int64_t tensor);
  View view_of(const Pass& pass, int64_t tensor);
  View view_at(uint8_t* data, int64_t tensor) const;

  std::shared_ptr<const net::Network> network_;
  std::shared_ptr<const ImageCodes> images_;
  Limits limits_;
  LayeredPlan plan_;
  int64_t chunk_ = 0;
  Stream stream_;
  DeviceBuffer<int8_t> image_codes_, golden_weights_, weights_;
  DeviceBuffer<ChannelFactor> golden_factors_, factors_;
  DeviceBuffer<WeightLayout> layouts_;
  DeviceBuffer<uint8_t> scratch_;
  DeviceBuffer<int8_t> chunk_codes_;  ///< The image codes of a chunk that is not contiguous.
  DeviceBuffer<int64_t> indices_;
  DeviceBuffer<MaskWrite> masks_;
  bool golden_tried_ = false;
  std::vector<DeviceBuffer<uint8_t>> golden_;  ///< By tensor; empty where there was no room.
  std::vector<float> golden_logits_;
  const int8_t* pass_codes_ = nullptr;  ///< The image codes that the pass reads.
  std::vector<TensorMaps> maps_;        ///< By step.
  std::array<Flight, 2> flights_;
};

}  // namespace flatenn::engine::cuda
