#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "engine/cuda/small_plan.h"

namespace flatenn::engine::cuda {

/// What one launch computes: `jobs` copies of a small network, each over its own list of images.
struct SmallArgs {
  SmallLayer layers[kSmallLayers];
  SmallTensor image;
  int32_t layer_count = 0;
  int32_t shared_bytes = 0;
  const uint8_t* codes = nullptr;    ///< From place_images().
  const int32_t* groups = nullptr;   ///< Group offsets.
  const uint8_t* weights = nullptr;  ///< [job, weight_bytes]
  int64_t weight_bytes = 0;
  const ChannelFactor* factors = nullptr;  ///< [job, factor_count]
  int64_t factor_count = 0;
  const int64_t* images = nullptr;  ///< [job, most_images] indices; null: all jobs run all images.
  const int64_t* counts = nullptr;  ///< Images of each job.
  int64_t most_images = 0;          ///< Of any job.
  float* logits = nullptr;          ///< [job, most_images, classes]
  int32_t classes = 0;
};

void launch_small(const SmallArgs& args, int64_t jobs, cudaStream_t stream);

/// Blocks of this much shared memory that fit a multiprocessor at once.
int64_t small_shared_limit();

/// A changed weight or bias of one of the jobs of a launch.
struct SmallWeightWrite {
  uint32_t element = 0;  ///< Over all layers.
  int16_t code = 0;
  uint16_t job = 0;
};
struct SmallBiasWrite {
  int64_t factor = 0;  ///< Over all jobs.
  int64_t golden = 0;  ///< Within one job.
  float bias = 0;
};
/// Writes changes into the jobs' copies, or with `golden` puts the fault-free values back.
void launch_small_weight_writes(const SmallWeightWrite* writes, int64_t count,
                                const SmallWeightLayout* layouts, int layers, const int8_t* golden,
                                int64_t weight_bytes, int8_t* weights, cudaStream_t stream);
void launch_small_bias_writes(const SmallBiasWrite* writes, int64_t count,
                              const ChannelFactor* golden, ChannelFactor* factors,
                              cudaStream_t stream);

}  // namespace flatenn::engine::cuda
