#include "engine/cuda/plain_kernels.h"
#include "engine/cuda/requantize.cuh"
#include "engine/cuda/support.h"

namespace flatenn::engine::cuda {
namespace {

constexpr int kThreads = 256;

__device__ int64_t thread_index() {
  return static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
}

/// Runs `kernel` with one thread for each of `count` items, the count first among its arguments.
template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(int64_t, Parameters...), int64_t count, cudaStream_t stream,
            const Arguments&... arguments) {
  if (count == 0) return;
  const int64_t blocks = (count + kThreads - 1) / kThreads;
  kernel<<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(count, arguments...);
  FLATENN_CUDA_CHECK(cudaGetLastError());
}

/// One element of a tensor, channels fastest.
struct Element {
  int64_t image;
  int channel, y, x;
};

__device__ Element element_of(int64_t index, int channels, int height, int width) {
  Element e{};
  e.channel = static_cast<int>(index % channels);
  index /= channels;
  e.x = static_cast<int>(index % width);
  index /= width;
  e.y = static_cast<int>(index % height);
  e.image = index / height;
  return e;
}

__device__ int64_t offset_of(const View& view, int64_t image, int y, int x, int channel) {
  return ((image * view.height + y) * view.width + x) * view.pitch + channel;
}

__device__ int code_at(const View& view, int64_t image, int y, int x, int channel) {
  const uint8_t code = view.data[offset_of(view, image, y, x, channel)];
  return view.is_signed ? static_cast<int8_t>(code) : code;
}

__device__ void store(const View& view, const Element& e, uint32_t code) {
  const_cast<uint8_t*>(view.data)[offset_of(view, e.image, e.y, e.x, e.channel)] =
      static_cast<uint8_t>(code);
}

__global__ void pixels_kernel(int64_t count, const int8_t* codes, View dst) {
  const int64_t index = thread_index();
  if (index >= count) return;
  const Element e = element_of(index, dst.pitch, dst.height, dst.width);
  const int64_t src = ((e.image * dst.channels + e.channel) * dst.height + e.y) * dst.width + e.x;
  store(dst, e, e.channel < dst.channels ? static_cast<uint8_t>(codes[src]) : 0);
}

__global__ void columns_kernel(int64_t count, const int8_t* codes, ColumnsShape shape, View dst) {
  const int64_t index = thread_index();
  if (index >= count) return;
  const Element e = element_of(index, dst.pitch, dst.height, dst.width);
  const int tap = e.channel / shape.channels;
  const int y = e.y * shape.window.stride - shape.window.pad + tap / shape.window.width;
  const int x = e.x * shape.window.stride - shape.window.pad + tap % shape.window.width;
  const bool inside =
      e.channel < dst.channels && y >= 0 && y < shape.height && x >= 0 && x < shape.width;
  const int channel = e.channel % shape.channels;
  const int64_t src = ((e.image * shape.channels + channel) * shape.height + y) * shape.width + x;
  store(dst, e, inside ? static_cast<uint8_t>(codes[src]) : 0);
}

__device__ int32_t convolve(const DirectArgs& args, const Element& e) {
  const int in_channels = args.src.channels / args.groups;
  const int group = e.channel / (args.dst.channels / args.groups);
  const int8_t* weight = args.weights + static_cast<int64_t>(e.channel) * args.window.height *
                                            args.window.width * in_channels;
  int32_t sum = 0;
  for (int ky = 0; ky < args.window.height; ++ky) {
    for (int kx = 0; kx < args.window.width; ++kx, weight += in_channels) {
      const int y = e.y * args.window.stride - args.window.pad + ky;
      const int x = e.x * args.window.stride - args.window.pad + kx;
      if (y < 0 || y >= args.src.height || x < 0 || x >= args.src.width) continue;
      for (int c = 0; c < in_channels; ++c) {
        sum += weight[c] * code_at(args.src, e.image, y, x, group * in_channels + c);
      }
    }
  }
  return sum;
}

__global__ void conv_direct_kernel(int64_t count, DirectArgs args) {
  const int64_t index = thread_index();
  if (index >= count) return;
  const Element e = element_of(index, args.dst.channels, args.dst.height, args.dst.width);
  const Requantize& q = args.requantize;
  float value = scaled(__int2float_rn(convolve(args, e)), args.factors[e.channel]);
  if (args.skip.data != nullptr) {
    const int skip = code_at(args.skip, e.image, e.y, e.x, e.channel);
    value = __fmaf_rn(__int2float_rn(skip), q.skip_multiplier, value);
  }
  if (args.logits == nullptr) {
    store(args.dst, e, rounded(value, q.low, q.high));
    return;
  }
  args.logits[((e.image * args.dst.channels + e.channel) * args.dst.height + e.y) * args.dst.width +
              e.x] = q.relu ? rectified(value) : value;
}

/// Calls body(code) for the window's elements that are not padding.
template <typename Body>
__device__ void for_window(const View& src, const Window& window, const Element& e, Body body) {
  for (int ky = 0; ky < window.height; ++ky) {
    const int y = e.y * window.stride - window.pad + ky;
    if (y < 0 || y >= src.height) continue;
    for (int kx = 0; kx < window.width; ++kx) {
      const int x = e.x * window.stride - window.pad + kx;
      if (x >= 0 && x < src.width) body(code_at(src, e.image, y, x, e.channel));
    }
  }
}

__global__ void max_pool_kernel(int64_t count, View src, View dst, Window window) {
  const int64_t index = thread_index();
  if (index >= count) return;
  const Element e = element_of(index, dst.channels, dst.height, dst.width);
  int best = -128;
  for_window(src, window, e, [&best](int code) { best = max(best, code); });
  store(dst, e, static_cast<uint32_t>(best));
}

__global__ void avg_pool_kernel(int64_t count, View src, View dst, Window window, Requantize q) {
  const int64_t index = thread_index();
  if (index >= count) return;
  const Element e = element_of(index, dst.channels, dst.height, dst.width);
  int32_t sum = 0;
  for_window(src, window, e, [&sum](int code) { sum += code; });
  store(dst, e, rounded(__fmul_rn(__int2float_rn(sum), q.skip_multiplier), q.low, q.high));
}

__global__ void gather_kernel(int64_t count, const uint8_t* src, const int64_t* indices,
                              int64_t bytes, uint8_t* dst) {
  const int64_t index = thread_index();
  if (index >= count) return;
  dst[index] = src[indices[index / bytes] * bytes + index % bytes];
}

__device__ const WeightLayout& layout_of(const WeightLayout* layouts, int layers, int64_t element) {
  int low = 0;
  int high = layers - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (layouts[middle].first_element <= element) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return layouts[low];
}

__global__ void weight_writes_kernel(int64_t count, const WeightWrite* writes,
                                     const WeightLayout* layouts, int layers, const int8_t* golden,
                                     int8_t* packed) {
  const int64_t index = thread_index();
  if (index >= count) return;
  const WeightWrite write = writes[index];
  const WeightLayout& layout = layout_of(layouts, layers, write.element);
  const int64_t position = layout.position(write.element - layout.first_element);
  packed[position] = golden != nullptr ? golden[position] : layout.value(write.code);
}

__global__ void bias_writes_kernel(int64_t count, const BiasWrite* writes,
                                   const ChannelFactor* golden, ChannelFactor* factors) {
  const int64_t index = thread_index();
  if (index >= count) return;
  const BiasWrite write = writes[index];
  factors[write.factor].bias = golden != nullptr ? golden[write.factor].bias : write.bias;
}

__global__ void masks_kernel(int64_t count, const MaskWrite* masks, View tensor, int bits,
                             bool planar) {
  const int64_t index = thread_index();
  if (index >= count) return;
  const MaskWrite mask = masks[index];
  const int pixels = tensor.height * tensor.width;
  const int channel = mask.element / pixels;
  const int pixel = mask.element % pixels;
  const int64_t at =
      planar ? static_cast<int64_t>(mask.image) * tensor.channels * pixels + mask.element
             : offset_of(tensor, mask.image, pixel / tensor.width, pixel % tensor.width, channel);
  uint8_t* code = const_cast<uint8_t*>(tensor.data) + at;
  const int all = (1 << bits) - 1;
  const int word = ((((*code & all) ^ mask.flip) | mask.set) & ~mask.clear) & all;
  const bool negative = tensor.is_signed && (word >> (bits - 1)) != 0;
  *code = static_cast<uint8_t>(negative ? word - all - 1 : word);
}

int64_t outputs(const View& view, int64_t images) {
  return images * view.height * view.width * view.channels;
}

}  // namespace

void launch_pixels(const int8_t* codes, const View& dst, int64_t images, cudaStream_t stream) {
  launch(pixels_kernel, images * dst.height * dst.width * dst.pitch, stream, codes, dst);
}

void launch_columns(const int8_t* codes, const ColumnsShape& shape, const View& dst, int64_t images,
                    cudaStream_t stream) {
  launch(columns_kernel, images * dst.height * dst.width * dst.pitch, stream, codes, shape, dst);
}

void launch_conv_direct(const DirectArgs& args, int64_t images, cudaStream_t stream) {
  launch(conv_direct_kernel, outputs(args.dst, images), stream, args);
}

void launch_max_pool(const View& src, const View& dst, const Window& window, int64_t images,
                     cudaStream_t stream) {
  launch(max_pool_kernel, outputs(dst, images), stream, src, dst, window);
}

void launch_avg_pool(const View& src, const View& dst, const Window& window,
                     const Requantize& requantize, int64_t images, cudaStream_t stream) {
  launch(avg_pool_kernel, outputs(dst, images), stream, src, dst, window, requantize);
}

void launch_gather(const uint8_t* src, const int64_t* indices, int64_t count, int64_t bytes,
                   uint8_t* dst, cudaStream_t stream) {
  launch(gather_kernel, count * bytes, stream, src, indices, bytes, dst);
}

void launch_weight_writes(const WeightWrite* writes, int64_t count, const WeightLayout* layouts,
                          int layers, const int8_t* golden, int8_t* packed, cudaStream_t stream) {
  launch(weight_writes_kernel, count, stream, writes, layouts, layers, golden, packed);
}

void launch_bias_writes(const BiasWrite* writes, int64_t count, const ChannelFactor* golden,
                        ChannelFactor* factors, cudaStream_t stream) {
  launch(bias_writes_kernel, count, stream, writes, golden, factors);
}

void launch_masks(const MaskWrite* masks, int64_t count, const View& tensor, int bits, bool planar,
                  cudaStream_t stream) {
  launch(masks_kernel, count, stream, masks, tensor, bits, planar);
}

}  // namespace flatenn::engine::cuda
