#include "nn/windows.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "flatenn/base/error.h"

namespace flatenn::nn {

bool pads(const net::Window& w) { return w.top + w.bottom + w.left + w.right > 0; }

namespace {

std::vector<int64_t> stride(const net::Window& w) { return {w.stride_height, w.stride_width}; }
std::vector<int64_t> dilation(const net::Window& w) {
  return {w.dilation_height, w.dilation_width};
}

/// LibTorch pads both sides alike; where that does not do, the input is padded before.
bool pads_evenly(const net::Window& w) { return w.top == w.bottom && w.left == w.right; }

torch::Tensor padded(const torch::Tensor& x, const net::Window& w, double value) {
  return pads(w) ? at::constant_pad_nd(x, {w.left, w.right, w.top, w.bottom}, value) : x;
}

bool is_dilated(const net::Window& w) { return w.dilation_height != 1 || w.dilation_width != 1; }

/// Largest padding that LibTorch's pools take.
bool pools_directly(const net::Window& w) {
  return pads_evenly(w) && !is_dilated(w) && 2 * w.top <= w.kernel_height &&
         2 * w.left <= w.kernel_width;
}

/// 0 where the window does not fit.
int64_t output(int64_t extent, int64_t kernel, int64_t step, int64_t dilation, int64_t pads) {
  const int64_t room = extent + pads - (kernel - 1) * dilation - 1;
  return room < 0 ? 0 : room / step + 1;
}

/// What tensor cores read at once. cuDNN has no kernel of theirs for fewer, and takes longer over
/// three channels than over eight.
constexpr int64_t kChannelsAtOnce = 8;

bool wants_more_channels(const torch::Tensor& x, int64_t groups) {
  return x.is_cuda() && x.scalar_type() == torch::kBFloat16 && groups == 1 &&
         x.size(1) < kChannelsAtOnce;
}

/// With channels of zeros behind.
torch::Tensor more_channels(const torch::Tensor& x) {
  return at::constant_pad_nd(x, {0, 0, 0, 0, 0, kChannelsAtOnce - x.size(1)});
}

}  // namespace

torch::Tensor convolve(const torch::Tensor& x, const torch::Tensor& weight,
                       const torch::Tensor& bias, const net::Window& window, int64_t groups) {
  if (wants_more_channels(x, groups))
    return convolve(more_channels(x), more_channels(weight), bias, window, groups);
  if (pads_evenly(window)) {
    return at::conv2d(x, weight, bias, stride(window), at::IntArrayRef{window.top, window.left},
                      dilation(window), groups);
  }
  return at::conv2d(padded(x, window, 0), weight, bias, stride(window), at::IntArrayRef{0, 0},
                    dilation(window), groups);
}

torch::Tensor max_pool(const torch::Tensor& x, const net::Window& window) {
  const bool direct = pools_directly(window);
  constexpr double kLowest = -std::numeric_limits<double>::infinity();
  return at::max_pool2d(
      direct ? x : padded(x, window, kLowest), {window.kernel_height, window.kernel_width},
      stride(window),
      direct ? std::vector<int64_t>{window.top, window.left} : std::vector<int64_t>{0, 0},
      dilation(window));
}

bool may_miss_image(const net::Window& window) { return pads(window) && is_dilated(window); }

torch::Tensor sum_pool(const torch::Tensor& x, const net::Window& window) {
  if (pools_directly(window)) {
    return at::avg_pool2d(x, {window.kernel_height, window.kernel_width}, stride(window),
                          {window.top, window.left}, /*ceil_mode=*/false,
                          /*count_include_pad=*/true, /*divisor_override=*/1);
  }
  const int64_t channels = x.size(1);
  const torch::Tensor ones =
      torch::ones({channels, 1, window.kernel_height, window.kernel_width}, x.options());
  return convolve(x, ones, {}, window, channels);
}

torch::Tensor window_counts(const net::Shape& image, const net::Window& window) {
  const torch::NoGradGuard no_grad;
  return sum_pool(torch::ones({1, 1, image.height, image.width}, torch::kFloat64), window)
      .squeeze(0)
      .squeeze(0);
}

net::Shape window_output(const net::Shape& image, const LayerSpec& spec) {
  const net::Window& w = spec.window;
  const net::Shape out{.channels = spec.multiplies() ? spec.out_channels : image.channels,
                       .height = output(image.height, w.kernel_height, w.stride_height,
                                        w.dilation_height, w.top + w.bottom),
                       .width = output(image.width, w.kernel_width, w.stride_width,
                                       w.dilation_width, w.left + w.right)};
  FLATENN_CHECK(out.height >= 1 && out.width >= 1, "layer ", spec.name, ": an input of ",
                image.height, "x", image.width, " is too small for its window of ", w.kernel_height,
                "x", w.kernel_width);
  return out;
}

}  // namespace flatenn::nn
