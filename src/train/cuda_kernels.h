#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

/// CUDA kernels of the training loop, free of LibTorch.
namespace flatenn::train::cuda {

/// An Augmentation as it travels to the device.
struct ImagePlan {
  int32_t image = 0;  ///< Index in the data set.
  int16_t shift_x = 0;
  int16_t shift_y = 0;
  int16_t flip = 0;
  int16_t cut = 0;
  uint16_t cut_y = 0;
  uint16_t cut_x = 0;
};

struct BatchShape {
  int64_t count = 0;
  int channels = 0, height = 0, width = 0;
};

/// out[i, y, x, c] = table[c, pixel] of image plan[i].image, shifted, flipped and cut as
/// Normalizer does, and labels_out[i]. `pixels` is [image, channel, y, x], `table` [channel, 256].
void launch_batch(const BatchShape& shape, const ImagePlan* plans, const uint8_t* pixels,
                  const int64_t* labels, const float* table, float* out, int64_t* labels_out,
                  cudaStream_t stream);

/// A parameter with its gradient and, with momentum, its velocity.
struct SgdEntry {
  float* value = nullptr;
  const float* grad = nullptr;
  float* velocity = nullptr;
  int64_t size = 0;
  int64_t first_block = 0;  ///< Blocks of the entries before.
  float decay = 0;
  float rate_factor = 1;
};

constexpr int64_t kSgdBlock = 4096;  ///< Elements a block updates.

/// d = grad + decay * value; velocity = momentum * velocity + d; value -= rate * rate_factor *
/// velocity, or d + momentum * velocity with nesterov, for all entries in one launch. `rate` lies
/// on the device, so that a recorded step follows a schedule.
void launch_sgd(const SgdEntry* entries, int count, int64_t blocks, const float* rate,
                float momentum, bool nesterov, cudaStream_t stream);

}  // namespace flatenn::train::cuda
