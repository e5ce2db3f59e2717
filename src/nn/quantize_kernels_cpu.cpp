#include <ATen/Parallel.h>

#include <array>
#include <vector>

#include "nn/multiversion.h"
#include "nn/quantize_kernels.h"

namespace flatenn::nn {
namespace {

constexpr int64_t kLanes = 16;
/// Elements of one partial sum, and of one unit of parallel work.
constexpr int64_t kChunk = 16384;

/// Adding and subtracting 1.5 * 2^23 rounds |x| < 2^22 half to even in every instruction set.
constexpr float kRoundingMagic = 12582912.0F;

/// Spans of a tensor seen as rows of equal scale, cut into chunks.
struct Chunks {
  int64_t rows;
  int64_t row_length;
  int64_t per_row;

  Chunks(int64_t elements, int64_t scales)
      : rows(scales), row_length(elements / scales), per_row((row_length + kChunk - 1) / kChunk) {}
  int64_t count() const { return rows * per_row; }
  int64_t row(int64_t chunk) const { return chunk / per_row; }
  int64_t begin(int64_t chunk) const {
    return row(chunk) * row_length + (chunk % per_row) * kChunk;
  }
  int64_t length(int64_t chunk) const {
    return std::min(kChunk, row_length - (chunk % per_row) * kChunk);
  }
};

FLATENN_MULTIVERSION
void forward_span(const float* __restrict x, float* __restrict y, int64_t n, GridValues grid,
                  float scale) {
  const float inverse = 1.0F / scale;
  const float inverse_step = 1.0F / grid.step;
  for (int64_t i = 0; i < n; ++i) {
    float u = x[i] * inverse;
    u = u < grid.low ? grid.low : u;
    u = u > grid.high ? grid.high : u;
    const float k = ((u - grid.offset) * inverse_step + kRoundingMagic) - kRoundingMagic;
    // + 0 turns -0 into 0: adding a zero perturbation then changes no bit.
    y[i] = (k * grid.step + grid.offset) * scale + 0.0F;
  }
}

/// Returns the chunk's sum of grad * (v - u inside, v outside).
FLATENN_MULTIVERSION
double backward_span(const float* __restrict grad, const float* __restrict x,
                     float* __restrict grad_x, int64_t n, GridValues grid, float scale) {
  const float inverse = 1.0F / scale;
  const float inverse_step = 1.0F / grid.step;
  std::array<float, kLanes> sums{};
  const auto element = [&](int64_t i, float& sum) __attribute__((always_inline)) {
    const float u = x[i] * inverse;
    float c = u < grid.low ? grid.low : u;
    c = c > grid.high ? grid.high : c;
    const float k = ((c - grid.offset) * inverse_step + kRoundingMagic) - kRoundingMagic;
    const float v = k * grid.step + grid.offset;
    const bool inside = c == u;
    grad_x[i] = inside ? grad[i] : 0.0F;
    sum += grad[i] * (inside ? v - u : v);
  };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) element(i + lane, sums[size_t(lane)]);
  for (; i < n; ++i) element(i, sums[size_t(i % kLanes)]);
  double total = 0;
  for (const float sum : sums) total += sum;
  return total;
}

template <typename Body>
void for_each_chunk(const Chunks& chunks, const Body& body) {
  at::parallel_for(0, chunks.count(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) body(chunk);
  });
}

}  // namespace

torch::Tensor quantize_forward_cpu(const torch::Tensor& x, const torch::Tensor& scale,
                                   const GridValues& grid) {
  const torch::Tensor src = x.contiguous();
  torch::Tensor dst = torch::empty_like(src);
  const Chunks chunks(src.numel(), scale.numel());
  const float* scales = scale.data_ptr<float>();
  const float* from = src.data_ptr<float>();
  float* to = dst.data_ptr<float>();
  for_each_chunk(chunks, [&](int64_t chunk) {
    const int64_t begin = chunks.begin(chunk);
    forward_span(from + begin, to + begin, chunks.length(chunk), grid, scales[chunks.row(chunk)]);
  });
  return dst;
}

QuantizeGradients quantize_backward_cpu(const torch::Tensor& grad, const torch::Tensor& x,
                                        const torch::Tensor& scale, const GridValues& grid) {
  const torch::Tensor src = x.contiguous();
  const torch::Tensor above = grad.contiguous();
  QuantizeGradients result{torch::empty_like(src), torch::empty_like(scale)};
  const Chunks chunks(src.numel(), scale.numel());
  const float* scales = scale.data_ptr<float>();
  const float* from = src.data_ptr<float>();
  const float* grads = above.data_ptr<float>();
  float* to = result.x.data_ptr<float>();
  std::vector<double> partial(static_cast<size_t>(chunks.count()));
  for_each_chunk(chunks, [&](int64_t chunk) {
    const int64_t begin = chunks.begin(chunk);
    partial[static_cast<size_t>(chunk)] =
        backward_span(grads + begin, from + begin, to + begin, chunks.length(chunk), grid,
                      scales[chunks.row(chunk)]);
  });
  float* sums = result.scale.data_ptr<float>();
  for (int64_t row = 0; row < chunks.rows; ++row) {
    double sum = 0;
    for (int64_t chunk = row * chunks.per_row; chunk < (row + 1) * chunks.per_row; ++chunk)
      sum += partial[static_cast<size_t>(chunk)];
    sums[row] = static_cast<float>(sum * scales[row]);
  }
  return result;
}

}  // namespace flatenn::nn
