#include "flatenn/analysis/loss_surface.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <mutex>

#include "flatenn/base/error.h"

namespace flatenn::analysis {
namespace {

torch::Tensor code_tensor(const engine::ImageCodes& images, int64_t count) {
  const net::Shape& shape = images.shape;
  auto* data = const_cast<int8_t*>(images.codes.data());  // from_blob copies below, never writes
  return torch::from_blob(data, {count, shape.channels, shape.height, shape.width}, torch::kInt8)
      .clone();
}

torch::Tensor label_tensor(const std::vector<uint16_t>& labels, int64_t count) {
  return torch::tensor(std::vector<int64_t>(labels.begin(), labels.begin() + count));
}

std::vector<torch::Tensor> require_grad(std::vector<torch::Tensor> tensors) {
  for (torch::Tensor& tensor : tensors) tensor = tensor.detach().clone().requires_grad_(true);
  return tensors;
}

void add_squares(const std::vector<torch::Tensor>& terms, const std::vector<torch::Tensor>& sums) {
  for (size_t i = 0; i < terms.size(); ++i) {
    if (terms[i].defined()) torch::Tensor(sums[i]).addcmul_(terms[i], terms[i]);
  }
}

constexpr int64_t kCpuBatch = 100;  ///< What a layer makes of it stays in a core's cache.
constexpr int64_t kDeviceBatch = 1000;
constexpr int64_t kMaxParts = 16;  ///< Sums kept apart at once, each as large as the weights.

/// Calls body(part, first, count) for parts of whole batches that cover `count` images from
/// `first`. On a CPU one thread does one part: threads that share the operations of a part would
/// wait for each other at the end of each. The parts do not depend on the number of threads.
template <typename Body>
void for_each_part(int64_t first, int64_t count, int64_t batch, int64_t parts, bool parallel,
                   const Body& body) {
  const int64_t batches = (count + batch - 1) / batch;
  const auto run = [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t from = batches * part / parts * batch;
      const int64_t to = std::min(count, batches * (part + 1) / parts * batch);
      body(part, first + from, to - from);
    }
  };
  if (parallel) {
    at::parallel_for(0, parts, 1, run);
  } else {
    run(0, parts);
  }
}

}  // namespace

LossSurface::LossSurface(std::shared_ptr<const TorchNetwork> view, const engine::ImageCodes& images,
                         const std::vector<uint16_t>& labels, int64_t max_images, int64_t batch)
    : view_(std::move(view)), batch_(batch) {
  if (batch_ == 0) batch_ = view_->device().is_cpu() ? kCpuBatch : kDeviceBatch;
  const int64_t count = max_images > 0 ? std::min(max_images, images.count) : images.count;
  FLATENN_CHECK(count > 0 && static_cast<int64_t>(labels.size()) >= count,
                "LossSurface: expected at least one image and a label for each, got ", count,
                " images and ", labels.size(), " labels");
  codes_ = code_tensor(images, count).to(view_->device());
  labels_ = label_tensor(labels, count).to(view_->device());
}

torch::Tensor LossSurface::batch_loss(const std::vector<torch::Tensor>& moves, int64_t first,
                                      int64_t count, SurfaceValue* value) const {
  const torch::Tensor codes = codes_.slice(0, first, first + count).to(torch::kFloat32);
  const torch::Tensor labels = labels_.slice(0, first, first + count);
  const torch::Tensor logits = view_->forward(codes, moves);
  const torch::Tensor loss = torch::nn::functional::cross_entropy(
      logits, labels, torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kSum));
  if (value != nullptr) {
    value->loss += loss.item<double>();
    value->accuracy += logits.argmax(1).eq(labels).sum().item<double>();
  }
  return loss;
}

SurfaceValue LossSurface::value(const torch::Tensor& move) const {
  return value(move, 0, images());
}

SurfaceValue LossSurface::value(const torch::Tensor& move, int64_t first, int64_t count) const {
  const std::vector<torch::Tensor> moves = split(move);
  const int64_t parts = (count + batch_ - 1) / batch_;
  std::vector<SurfaceValue> sums(static_cast<size_t>(parts));
  for_each_part(first, count, batch_, parts, view_->device().is_cpu(),
                [&](int64_t part, int64_t from, int64_t images) {
                  const torch::NoGradGuard no_grad;  // of this thread
                  batch_loss(moves, from, images, &sums[static_cast<size_t>(part)]);
                });
  SurfaceValue sum;
  for (const SurfaceValue& part : sums) {
    sum.loss += part.loss;
    sum.accuracy += part.accuracy;
  }
  const auto n = static_cast<double>(count);
  return {sum.loss / n, sum.accuracy / n};
}

torch::Tensor LossSurface::sum_over_batches(
    int64_t first, int64_t count,
    const std::function<torch::Tensor(int64_t first, int64_t count)>& term) const {
  const int64_t parts = std::min(kMaxParts, (count + batch_ - 1) / batch_);
  std::vector<torch::Tensor> sums(static_cast<size_t>(parts));
  for_each_part(first, count, batch_, parts, view_->device().is_cpu(),
                [&](int64_t part, int64_t from, int64_t images) {
                  torch::Tensor sum = zero_move();
                  for (int64_t start = from; start < from + images; start += batch_)
                    sum += term(start, std::min(batch_, from + images - start));
                  sums[static_cast<size_t>(part)] = sum;
                });
  torch::Tensor sum = zero_move();
  for (const torch::Tensor& part : sums) sum += part;
  return sum;
}

torch::Tensor LossSurface::gradient(const torch::Tensor& move) const {
  return gradient(move, 0, images());
}

torch::Tensor LossSurface::gradient(const torch::Tensor& move, int64_t first, int64_t count) const {
  const auto term = [&](int64_t start, int64_t images) {
    const std::vector<torch::Tensor> moves = require_grad(split(move));
    return join(torch::autograd::grad({batch_loss(moves, start, images, nullptr)}, moves));
  };
  return sum_over_batches(first, count, term) / static_cast<double>(count);
}

torch::Tensor LossSurface::hessian_product(const torch::Tensor& vector) const {
  const std::vector<torch::Tensor> directions = split(vector);
  const auto term = [&](int64_t start, int64_t images) {
    const std::vector<torch::Tensor> moves = require_grad(split(zero_move()));
    const torch::Tensor loss = batch_loss(moves, start, images, nullptr);
    const auto gradients = torch::autograd::grad({loss}, moves, {}, true, true);
    torch::Tensor dot = torch::zeros({}, loss.options());
    for (size_t i = 0; i < gradients.size(); ++i) dot = dot + (gradients[i] * directions[i]).sum();
    return join(torch::autograd::grad({dot}, moves, {}, c10::nullopt, false, true));
  };
  return sum_over_batches(0, images(), term) / static_cast<double>(images());
}

torch::Tensor LossSurface::squared_gradients(int64_t count, const ImageObserver& observer) const {
  FLATENN_CHECK(count > 0 && count <= images(), "squared_gradients: count must be in [1, ",
                images(), "], got ", count);
  const int64_t parts = std::min(kMaxParts, count);
  std::vector<torch::Tensor> sums(static_cast<size_t>(parts));
  std::mutex mutex;
  int64_t done = 0;
  for_each_part(0, count, 1, parts, view_->device().is_cpu(),
                [&](int64_t part, int64_t first, int64_t images) {
                  const std::vector<torch::Tensor> moves = require_grad(split(zero_move()));
                  torch::Tensor sum = zero_move();
                  for (int64_t image = first; image < first + images; ++image) {
                    add_squares(
                        torch::autograd::grad({batch_loss(moves, image, 1, nullptr)}, moves),
                        split(sum));
                    const std::lock_guard lock(mutex);
                    if (observer) observer(++done, count);
                  }
                  sums[static_cast<size_t>(part)] = sum;
                });
  torch::Tensor sum = zero_move();
  for (const torch::Tensor& part : sums) sum += part;
  return sum / static_cast<double>(count);
}

LossSurface LossSurface::with_view(std::shared_ptr<const TorchNetwork> view) const {
  LossSurface surface = *this;
  surface.view_ = std::move(view);
  return surface;
}

torch::Tensor LossSurface::zero_move() const {
  return torch::zeros({view_->parameter_count()}, torch::TensorOptions().device(view_->device()));
}

torch::Tensor LossSurface::flat_weights() const { return view_->flat_weights(); }

std::vector<torch::Tensor> LossSurface::split(const torch::Tensor& flat) const {
  FLATENN_CHECK(flat.numel() == view_->parameter_count(), "LossSurface: a move has ",
                view_->parameter_count(), " elements, got ", flat.numel());
  std::vector<torch::Tensor> parts;
  int64_t offset = 0;
  for (const torch::Tensor& weight : view_->weights()) {
    parts.push_back(flat.slice(0, offset, offset + weight.numel()).view(weight.sizes()));
    offset += weight.numel();
  }
  return parts;
}

torch::Tensor LossSurface::join(const std::vector<torch::Tensor>& parts) const {
  std::vector<torch::Tensor> flat;
  flat.reserve(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    flat.push_back(parts[i].defined() ? parts[i].reshape({-1})
                                      : torch::zeros({view_->weights()[i].numel()},
                                                     view_->weights()[i].options()));
  }
  return torch::cat(flat);
}

}  // namespace flatenn::analysis
