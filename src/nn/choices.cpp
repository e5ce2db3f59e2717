#include "nn/choices.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>

namespace flatenn::nn {
namespace {

/// Half the width of the stretch over which a slope is taken: two codes at least, since each entry
/// is rounded.
int64_t slope_reach(const net::Activation& src, const net::Activation& dst, int64_t levels) {
  const auto steps = static_cast<int64_t>(std::lround(dst.scale / src.scale));
  return std::clamp<int64_t>(steps, std::min<int64_t>(2, levels / 4),
                             std::max<int64_t>(2, levels / 8));
}

float slope_at(const int16_t* row, int64_t levels, int64_t code, int64_t reach) {
  const int64_t low = std::max<int64_t>(code - reach, 0);
  const int64_t high = std::min(code + reach, levels - 1);
  return static_cast<float>(row[high] - row[low]) / static_cast<float>(high - low);
}

}  // namespace

torch::Tensor as_maps(const torch::Tensor& x, const net::Shape& shape) {
  return x.dim() == 4 ? x : x.view({x.size(0), shape.channels, shape.height, shape.width});
}

torch::Tensor reorder(const torch::Tensor& x, const torch::Tensor& order, const net::Shape& out) {
  return x.flatten(1).index_select(1, order).view({-1, out.channels, out.height, out.width});
}

CodeTable code_table(const LayerSpec& spec, const net::Activation& src,
                     const net::Activation& dst) {
  const int64_t levels = src.max_code() - src.min_code() + 1;
  const int64_t rows = std::ssize(spec.table) / levels;
  const int64_t reach = slope_reach(src, dst, levels);
  CodeTable result{.codes = torch::empty({rows, levels}), .slopes = torch::empty({rows, levels})};
  float* codes = result.codes.data_ptr<float>();
  float* slopes = result.slopes.data_ptr<float>();
  for (int64_t row = 0; row < rows; ++row) {
    const int16_t* entries = spec.table.data() + row * levels;
    for (int64_t k = 0; k < levels; ++k) {
      codes[row * levels + k] = static_cast<float>(entries[k] - dst.zero_point);
      slopes[row * levels + k] = slope_at(entries, levels, k, reach);
    }
  }
  return result;
}

torch::Tensor look_up(const torch::Tensor& rows, const torch::Tensor& x, int64_t least) {
  const int64_t levels = rows.size(1);
  torch::Tensor index = (x - static_cast<double>(least)).to(torch::kInt64).clamp(0, levels - 1);
  if (rows.size(0) > 1) {
    const torch::Tensor first =
        torch::arange(rows.size(0), index.options()).mul_(levels).view({1, -1, 1, 1});
    index = index + first;
  }
  return at::take(rows, index);
}

}  // namespace flatenn::nn
