#include "train/cuda_kernels.h"

namespace flatenn::train::cuda {
namespace {

constexpr int kThreads = 256;

/// Whether a place lies in the square that is cut out, along one axis.
__device__ bool is_cut(int place, uint16_t centre, int cut, int extent) {
  const int first = ((static_cast<int>(centre) * extent) >> 16) - cut / 2;
  return place >= first && place < first + cut;
}

__global__ void batch_kernel(BatchShape shape, const ImagePlan* plans, const uint8_t* pixels,
                             const int64_t* labels, const float* table, float* out,
                             int64_t* labels_out) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t plane = static_cast<int64_t>(shape.height) * shape.width;
  if (index >= shape.count * plane) return;
  const int64_t position = index / plane;
  const int y = static_cast<int>(index % plane) / shape.width;
  const int x = static_cast<int>(index % plane) % shape.width;
  const ImagePlan plan = plans[position];
  const int row = y + plan.shift_y;
  const int shifted = x + plan.shift_x;
  const bool inside = row >= 0 && row < shape.height && shifted >= 0 && shifted < shape.width;
  const bool cut =
      is_cut(y, plan.cut_y, plan.cut, shape.height) && is_cut(x, plan.cut_x, plan.cut, shape.width);
  const int column = plan.flip != 0 ? shape.width - 1 - shifted : shifted;
  for (int c = 0; c < shape.channels; ++c) {
    const int64_t source = (static_cast<int64_t>(plan.image) * shape.channels + c) * plane +
                           static_cast<int64_t>(row) * shape.width + column;
    // Outside lies pixel value 0.
    const float value = table[c * 256 + (inside ? pixels[source] : 0)];
    out[index * shape.channels + c] = cut ? 0.0F : value;
  }
  if (index % plane == 0) labels_out[position] = labels[plan.image];
}

__global__ void sgd_kernel(const SgdEntry* entries, int count, const float* rate, float momentum,
                           bool nesterov) {
  int low = 0;
  int high = count - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (entries[middle].first_block <= blockIdx.x) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  const SgdEntry entry = entries[low];
  const float step = *rate * entry.rate_factor;
  const int64_t begin = (blockIdx.x - entry.first_block) * kSgdBlock;
  const int64_t end = begin + kSgdBlock < entry.size ? begin + kSgdBlock : entry.size;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    const float value = entry.value[i];
    const float d = entry.grad[i] + entry.decay * value;
    float change = d;
    if (entry.velocity != nullptr) {
      const float velocity = momentum * entry.velocity[i] + d;
      entry.velocity[i] = velocity;
      change = nesterov ? d + momentum * velocity : velocity;
    }
    entry.value[i] = value - step * change;
  }
}

}  // namespace

void launch_batch(const BatchShape& shape, const ImagePlan* plans, const uint8_t* pixels,
                  const int64_t* labels, const float* table, float* out, int64_t* labels_out,
                  cudaStream_t stream) {
  const int64_t elements = shape.count * shape.height * shape.width;
  batch_kernel<<<static_cast<unsigned>((elements + kThreads - 1) / kThreads), kThreads, 0,
                 stream>>>(shape, plans, pixels, labels, table, out, labels_out);
}

void launch_sgd(const SgdEntry* entries, int count, int64_t blocks, const float* rate,
                float momentum, bool nesterov, cudaStream_t stream) {
  sgd_kernel<<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(entries, count, rate, momentum,
                                                                     nesterov);
}

}  // namespace flatenn::train::cuda
