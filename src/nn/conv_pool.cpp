#include "nn/conv_pool.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "nn/conv_pool_kernels.h"

namespace flatenn::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

constexpr int64_t kWidestInput = 16;
constexpr int64_t kWidestOutput = 32;
constexpr int64_t kMostVectors = 2;
/// Images whose gradients are summed by one thread before all sums are added in order.
constexpr int64_t kImagesPerSum = 8;
/// Floats that a kernel may read past the last row of a padded image.
constexpr int64_t kSlack = 32;

struct Problem {
  ConvPoolShape shape;
  int64_t images;
  int64_t pad;
  int64_t image_height;
  int64_t image_width;

  int64_t pooled() const { return shape.out_channels * shape.pool_height * shape.pool_width; }
  int64_t image() const { return shape.in_channels * image_height * image_width; }
  int64_t padded() const { return shape.in_channels * shape.plane() + kSlack; }
};

Problem problem_of(const torch::Tensor& x, const torch::Tensor& weight, int64_t pad) {
  Problem p{};
  const int64_t kernel = ConvPoolShape::kKernel;
  const int64_t rows = x.size(2) + 2 * pad - kernel + 1;
  const int64_t columns = x.size(3) + 2 * pad - kernel + 1;
  p.images = x.size(0);
  p.pad = pad;
  p.image_height = x.size(2);
  p.image_width = x.size(3);
  p.shape.in_channels = weight.size(1);
  p.shape.out_channels = weight.size(0);
  p.shape.height = x.size(2) + 2 * pad;
  p.shape.vectors = (columns + 15) / 16;
  p.shape.row = 16 * p.shape.vectors + 16;
  p.shape.pool_height = rows / 2;
  p.shape.pool_width = columns / 2;
  return p;
}

/// Rows of one image between its own layout and the padded one.
template <typename Copy>
void for_each_row(const Problem& p, const Copy& copy) {
  for (int64_t c = 0; c < p.shape.in_channels; ++c)
    for (int64_t i = 0; i < p.image_height; ++i)
      copy((c * p.image_height + i) * p.image_width,
           c * p.shape.plane() + (i + p.pad) * p.shape.row + p.pad);
}

void pad_image(const Problem& p, const float* image, std::vector<float>& padded) {
  for_each_row(p, [&](int64_t from, int64_t to) {
    std::copy_n(image + from, p.image_width, padded.data() + to);
  });
}

struct Forward {
  torch::Tensor pooled;
  torch::Tensor winner;  ///< uint8, pooled's shape.
};

Forward run_forward(const Problem& p, const torch::Tensor& x, const torch::Tensor& weight,
                    const torch::Tensor& bias) {
  const std::vector<int64_t> sizes = {p.images, p.shape.out_channels, p.shape.pool_height,
                                      p.shape.pool_width};
  Forward result{torch::empty(sizes), torch::empty(sizes, torch::kUInt8)};
  const float* images = x.data_ptr<float>();
  const float* weights = weight.data_ptr<float>();
  const float* biases = bias.data_ptr<float>();
  float* pooled = result.pooled.data_ptr<float>();
  uint8_t* winners = result.winner.data_ptr<uint8_t>();
  const int64_t map = p.shape.pool_height * p.shape.pool_width;
  at::parallel_for(0, p.images, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> padded(static_cast<size_t>(p.padded()));
    for (int64_t n = begin; n < end; ++n) {
      pad_image(p, images + n * p.image(), padded);
      float* out = pooled + n * p.pooled();
      conv_pool_forward(p.shape, padded.data(), weights, out, winners + n * p.pooled());
      for (int64_t o = 0; o < p.shape.out_channels; ++o)
        for (int64_t i = 0; i < map; ++i) out[o * map + i] += biases[o];
    }
  });
  return result;
}

/// [out][in][k][k] -> [out][in][k][8], zeros behind.
std::vector<float> widen(const Problem& p, const float* weight) {
  std::vector<float> wide(static_cast<size_t>(p.shape.wide_weights()));
  const int64_t k = ConvPoolShape::kKernel;
  for (int64_t row = 0; row < p.shape.out_channels * p.shape.in_channels * k; ++row)
    std::copy_n(weight + row * k, k, wide.begin() + row * 8);
  return wide;
}

/// Sums over some images; gradients of the inputs go straight to their place.
class BackwardChunk {
 public:
  BackwardChunk(const Problem& p, const std::vector<float>& wide_weight)
      : p_(p),
        wide_weight_(wide_weight),
        padded_(static_cast<size_t>(p.padded())),
        padded_grad_(static_cast<size_t>(p.padded())),
        values_(static_cast<size_t>(p.shape.pool_height * p.shape.pool_width)),
        offsets_(values_.size()) {}

  void add_image(const float* image, const float* grad, const uint8_t* winner, float* wide_gradient,
                 float* bias_gradient, float* image_gradient) {
    pad_image(p_, image, padded_);
    if (image_gradient) std::fill(padded_grad_.begin(), padded_grad_.end(), 0.0F);
    const int64_t map = p_.shape.pool_height * p_.shape.pool_width;
    const int64_t filter = p_.shape.wide_weights() / p_.shape.out_channels;
    for (int64_t o = 0; o < p_.shape.out_channels; ++o) {
      const SparseGradient sparse = compress(grad + o * map, winner + o * map, bias_gradient[o]);
      conv_pool_weight_gradient(p_.shape, sparse, padded_.data(), wide_gradient + o * filter);
      if (image_gradient)
        conv_pool_input_gradient(p_.shape, sparse, wide_weight_.data() + o * filter,
                                 padded_grad_.data());
    }
    if (!image_gradient) return;
    for_each_row(p_, [&](int64_t to, int64_t from) {
      std::copy_n(padded_grad_.data() + from, p_.image_width, image_gradient + to);
    });
  }

 private:
  /// The places with a gradient: the rest was clipped, or is zero after ReLU.
  SparseGradient compress(const float* grad, const uint8_t* winner, float& bias_gradient) {
    int64_t count = 0;
    float sum = 0;
    for (int64_t i = 0; i < p_.shape.pool_height; ++i)
      for (int64_t j = 0; j < p_.shape.pool_width; ++j) {
        const int64_t at = i * p_.shape.pool_width + j;
        const int64_t row = 2 * i + (winner[at] >> 1);
        const int64_t column = 2 * j + (winner[at] & 1);
        values_[static_cast<size_t>(count)] = grad[at];
        offsets_[static_cast<size_t>(count)] = static_cast<int32_t>(row * p_.shape.row + column);
        count += grad[at] != 0;
        sum += grad[at];
      }
    bias_gradient += sum;
    return {values_.data(), offsets_.data(), count};
  }

  const Problem& p_;
  const std::vector<float>& wide_weight_;
  std::vector<float> padded_;
  std::vector<float> padded_grad_;
  std::vector<float> values_;
  std::vector<int32_t> offsets_;
};

struct Gradients {
  torch::Tensor x;  ///< Undefined where not wanted.
  torch::Tensor weight;
  torch::Tensor bias;
};

Gradients run_backward(const Problem& p, const torch::Tensor& grad, const torch::Tensor& x,
                       const torch::Tensor& weight, const torch::Tensor& winner, bool wants_x) {
  Gradients result;
  if (wants_x) result.x = torch::empty_like(x);
  const int64_t chunks = (p.images + kImagesPerSum - 1) / kImagesPerSum;
  const int64_t outs = p.shape.out_channels;
  torch::Tensor wide = torch::zeros({chunks, outs, p.shape.in_channels, ConvPoolShape::kKernel, 8});
  torch::Tensor biases = torch::zeros({chunks, outs});
  const std::vector<float> wide_weight = widen(p, weight.data_ptr<float>());
  const float* grads = grad.data_ptr<float>();
  const float* images = x.data_ptr<float>();
  const uint8_t* winners = winner.data_ptr<uint8_t>();
  float* grad_x = wants_x ? result.x.data_ptr<float>() : nullptr;
  float* wides = wide.data_ptr<float>();
  float* bias_sums = biases.data_ptr<float>();
  at::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
    BackwardChunk work(p, wide_weight);
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const int64_t last = std::min(p.images, (chunk + 1) * kImagesPerSum);
      for (int64_t n = chunk * kImagesPerSum; n < last; ++n)
        work.add_image(images + n * p.image(), grads + n * p.pooled(), winners + n * p.pooled(),
                       wides + chunk * p.shape.wide_weights(), bias_sums + chunk * outs,
                       grad_x ? grad_x + n * p.image() : nullptr);
    }
  });
  result.weight = wide.sum(0).narrow(3, 0, ConvPoolShape::kKernel).contiguous();
  result.bias = biases.sum(0);
  return result;
}

class ConvMaxPool : public torch::autograd::Function<ConvMaxPool> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& weight, const torch::Tensor& bias,
                               int64_t pad) {
    const torch::Tensor images = x.contiguous();
    const torch::Tensor weights = weight.contiguous();
    const Forward result = run_forward(problem_of(images, weights, pad), images, weights, bias);
    context->save_for_backward({images, weights, result.winner});
    context->saved_data["pad"] = pad;
    context->saved_data["wants_x"] = x.requires_grad();
    return result.pooled;
  }

  static tensor_list backward(AutogradContext* context, tensor_list grads) {
    const auto saved = context->get_saved_variables();
    const Problem p = problem_of(saved[0], saved[1], context->saved_data["pad"].toInt());
    const Gradients result = run_backward(p, grads[0].contiguous(), saved[0], saved[1], saved[2],
                                          context->saved_data["wants_x"].toBool());
    return {result.x, result.weight, result.bias, {}};
  }
};

}  // namespace

bool covers_conv_max_pool(const LayerSpec& conv, const LayerSpec& pool, const torch::Tensor& x) {
  if (!conv.window.is_uniform() || pool.window != square_window(2, 2)) return false;
  const int64_t rows = x.dim() == 4 ? x.size(2) + 2 * conv.pad() - conv.kernel() + 1 : 0;
  const int64_t columns = x.dim() == 4 ? x.size(3) + 2 * conv.pad() - conv.kernel() + 1 : 0;
  return conv.kind == net::LayerKind::kConv && pool.kind == net::LayerKind::kMaxPool &&
         x.is_cpu() && x.scalar_type() == torch::kFloat32 && columns >= 2 &&
         columns <= 16 * kMostVectors && rows >= 2 && conv.kernel() == ConvPoolShape::kKernel &&
         conv.stride() == 1 && conv.groups == 1 && conv.in_channels <= kWidestInput &&
         conv.out_channels <= kWidestOutput;
}

torch::Tensor conv_max_pool(const torch::Tensor& x, const torch::Tensor& weight,
                            const torch::Tensor& bias, int64_t pad) {
  // An undefined tensor cannot be an operation's input.
  const torch::Tensor added = bias.defined() ? bias : torch::zeros({weight.size(0)});
  return ConvMaxPool::apply(x, weight, added, pad);
}

}  // namespace flatenn::nn
