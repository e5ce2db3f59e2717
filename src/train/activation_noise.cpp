#include "train/activation_noise.h"

#include <ATen/Context.h>

#include "flatenn/base/random.h"

namespace flatenn::train {
namespace {

/// More activations than a network has.
constexpr uint64_t kBuffersOfWorker = 1 << 20;

}  // namespace

ActivationNoise::ActivationNoise(nn::Model model, double deviation, uint64_t seed, int64_t images,
                                 int64_t worker)
    : model_(std::move(model)),
      deviation_(deviation),
      seed_(seed),
      images_(images),
      worker_(worker) {
  model_->set_activation_hook(
      [this](const torch::Tensor& y, const nn::ActivationQuantizerImpl& quantizer) {
        return disturb(y, quantizer);
      });
}

ActivationNoise::~ActivationNoise() { model_->set_activation_hook({}); }

void ActivationNoise::start_step(int64_t step) {
  step_ = step;
  for (size_t i = 0; i < buffers_.size(); ++i) fill(i);
}

void ActivationNoise::fill(size_t buffer) {
  const torch::NoGradGuard no_grad;
  const torch::Device device = buffers_[buffer].device();
  RandomStream stream(seed_, static_cast<uint64_t>(step_), RandomPurpose::kTrainingNoise,
                      static_cast<uint64_t>(worker_) * kBuffersOfWorker + buffer);
  at::Generator generator = at::globalContext().defaultGenerator(device).clone();
  generator.set_current_seed(stream.next_u64());
  buffers_[buffer].normal_(0, 1, generator);
}

torch::Tensor ActivationNoise::disturb(const torch::Tensor& y,
                                       const nn::ActivationQuantizerImpl& quantizer) {
  if (next_ == buffers_.size()) {
    std::vector<int64_t> shape = y.sizes().vec();
    shape[0] = images_;
    buffers_.push_back(torch::empty(shape, y.options().dtype(torch::kFloat32)));
    fill(next_);
  }
  const torch::Tensor& noise = buffers_[next_++];
  const double range = deviation_ * static_cast<double>(quantizer.grid().max_code);
  return y + (noise.narrow(0, 0, y.size(0)) * (quantizer.scale() * range)).to(y.scalar_type());
}

}  // namespace flatenn::train
