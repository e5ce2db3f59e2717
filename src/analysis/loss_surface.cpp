#include "flatenn/analysis/loss_surface.h"

#include <algorithm>

#include "flatenn/base/error.h"

namespace flatenn::analysis {
namespace {

torch::Tensor code_tensor(const engine::ImageCodes& images, int64_t count) {
  const net::Shape& shape = images.shape;
  auto* data = const_cast<int8_t*>(images.codes.data());  // from_blob copies below, never writes
  return torch::from_blob(data, {count, shape.channels, shape.height, shape.width}, torch::kInt8)
      .clone();
}

torch::Tensor label_tensor(const std::vector<uint8_t>& labels, int64_t count) {
  return torch::tensor(std::vector<int64_t>(labels.begin(), labels.begin() + count));
}

std::vector<torch::Tensor> require_grad(std::vector<torch::Tensor> tensors) {
  for (torch::Tensor& tensor : tensors) tensor = tensor.detach().clone().requires_grad_(true);
  return tensors;
}

}  // namespace

LossSurface::LossSurface(std::shared_ptr<const TorchNetwork> view, const engine::ImageCodes& images,
                         const std::vector<uint8_t>& labels, int64_t max_images, int64_t batch)
    : view_(std::move(view)), batch_(batch) {
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
  const torch::NoGradGuard no_grad;
  const std::vector<torch::Tensor> moves = split(move);
  SurfaceValue sum;
  for (int64_t start = first; start < first + count; start += batch_) {
    batch_loss(moves, start, std::min(batch_, first + count - start), &sum);
  }
  const auto n = static_cast<double>(count);
  return {sum.loss / n, sum.accuracy / n};
}

torch::Tensor LossSurface::gradient(const torch::Tensor& move) const {
  return gradient(move, 0, images());
}

torch::Tensor LossSurface::gradient(const torch::Tensor& move, int64_t first, int64_t count) const {
  const std::vector<torch::Tensor> moves = require_grad(split(move));
  torch::Tensor sum = zero_move();
  for (int64_t start = first; start < first + count; start += batch_) {
    const torch::Tensor loss =
        batch_loss(moves, start, std::min(batch_, first + count - start), nullptr);
    sum += join(torch::autograd::grad({loss}, moves));
  }
  return sum / static_cast<double>(count);
}

torch::Tensor LossSurface::hessian_product(const torch::Tensor& vector) const {
  const std::vector<torch::Tensor> moves = require_grad(split(zero_move()));
  const std::vector<torch::Tensor> directions = split(vector);
  torch::Tensor sum = zero_move();
  for (int64_t start = 0; start < images(); start += batch_) {
    const torch::Tensor loss =
        batch_loss(moves, start, std::min(batch_, images() - start), nullptr);
    const auto gradients = torch::autograd::grad({loss}, moves, {}, true, true);
    torch::Tensor dot = torch::zeros({}, loss.options());
    for (size_t i = 0; i < gradients.size(); ++i) dot = dot + (gradients[i] * directions[i]).sum();
    sum += join(torch::autograd::grad({dot}, moves, {}, c10::nullopt, false, true));
  }
  return sum / static_cast<double>(images());
}

torch::Tensor LossSurface::squared_gradients(int64_t count) const {
  FLATENN_CHECK(count > 0 && count <= images(), "squared_gradients: count must be in [1, ",
                images(), "], got ", count);
  const std::vector<torch::Tensor> moves = require_grad(split(zero_move()));
  torch::Tensor sum = zero_move();
  for (int64_t image = 0; image < count; ++image) {
    const torch::Tensor loss = batch_loss(moves, image, 1, nullptr);
    sum += join(torch::autograd::grad({loss}, moves)).square();
  }
  return sum / static_cast<double>(count);
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
