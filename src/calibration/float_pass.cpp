#include "calibration/float_pass.h"

#include <algorithm>
#include <array>
#include <dnnl.hpp>

#include "calibration/element_ops.h"
#include "calibration/one_thread.h"
#include "calibration/onednn_product.h"
#include "calibration/plain_product.h"
#include "flatenn/base/error.h"
#include "flatenn/base/parallel.h"

namespace flatenn::calibration {
namespace {

/// The operation after which each tensor is no longer needed; the logits stay.
std::vector<std::vector<int64_t>> last_reads(const FloatGraph& graph) {
  std::vector<int64_t> last(graph.tensors.size(), -1);
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    for (const int64_t tensor : graph.ops[i].reads()) {
      last[static_cast<size_t>(tensor)] = static_cast<int64_t>(i);
    }
  }
  std::vector<std::vector<int64_t>> result(graph.ops.size());
  for (size_t t = 0; t < last.size(); ++t) {
    if (last[t] < 0 || static_cast<int64_t>(t) == graph.output) continue;
    result[static_cast<size_t>(last[t])].push_back(static_cast<int64_t>(t));
  }
  return result;
}

constexpr int64_t kImagesAtOnce = 8;

}  // namespace

FloatPass::FloatPass(const FloatGraph& graph, int64_t batch, Products products)
    : graph_(graph), batch_(batch), products_(graph.ops.size()), last_read_(last_reads(graph)) {
  if (products == Products::kPlain) return;
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    if (!graph.ops[i].multiplies()) continue;
    products_[i] = std::make_unique<OneDnnProduct>(engine, graph.ops[i], batch);
  }
}

FloatPass::~FloatPass() = default;

std::vector<float> FloatPass::run_op(size_t index, const std::vector<std::vector<float>>& tensors,
                                     bool bare) const {
  const FloatOp& op = graph_.ops[index];
  std::vector<std::span<const float>> inputs;
  for (const int64_t tensor : op.inputs) inputs.emplace_back(tensors[static_cast<size_t>(tensor)]);
  std::vector<float> result(static_cast<size_t>(batch_ * op.out.elements()));
  if (products_[index]) {
    products_[index]->run(inputs[0].data(), result.data());
  } else if (op.multiplies()) {
    plain_product(op, batch_, inputs[0].data(), result.data());
  } else {
    element_op(op, batch_, inputs, result.data());
  }
  if (bare) return result;
  std::span<const float> skip;
  if (op.skip >= 0) skip = tensors[static_cast<size_t>(op.skip)];
  finish_op(op, skip, result);
  return result;
}

std::vector<float> FloatPass::run(std::vector<float> images, const Visitor& visit) const {
  const int64_t count = std::ssize(images) / graph_.input.elements();
  FLATENN_ASSERT(count >= 1 && count <= batch_, count, " images in a batch of ", batch_);
  std::vector<std::vector<float>> tensors(graph_.tensors.size());
  const auto show = [&](int64_t tensor) {
    const std::vector<float>& values = tensors[static_cast<size_t>(tensor)];
    const size_t shown = values.size() / static_cast<size_t>(batch_) * static_cast<size_t>(count);
    if (visit) visit(tensor, {values.data(), shown});
  };
  images.resize(static_cast<size_t>(batch_ * graph_.input.elements()));
  tensors[0] = std::move(images);
  show(0);
  for (size_t i = 0; i < graph_.ops.size(); ++i) {
    const int64_t output = graph_.ops[i].output;
    tensors[static_cast<size_t>(output)] = run_op(i, tensors);
    show(output);
    for (const int64_t tensor : last_read_[i]) tensors[static_cast<size_t>(tensor)] = {};
  }
  std::vector<float> logits = std::move(tensors[static_cast<size_t>(graph_.output)]);
  logits.resize(static_cast<size_t>(count * graph_.classes()));
  return logits;
}

std::vector<float> float_images(const data::ImageSet& images, const net::ImageTransform& transform,
                                int64_t first, int64_t count) {
  const auto pick = [](const std::vector<float>& list, int64_t channel) {
    return list[list.size() == 1 ? 0 : static_cast<size_t>(channel)];
  };
  const int64_t plane = images.height * images.width;
  std::vector<float> result;
  result.reserve(static_cast<size_t>(count * images.image_elements()));
  for (int64_t at = first * images.channels; at < (first + count) * images.channels; ++at) {
    const int64_t channel = at % images.channels;
    std::array<float, 256> values{};
    for (size_t pixel = 0; pixel < values.size(); ++pixel) {
      float x = transform.raw_pixels ? static_cast<float>(pixel)
                                     : images.normalized(channel, static_cast<uint8_t>(pixel));
      if (!transform.factor.empty()) x *= pick(transform.factor, channel);
      if (!transform.shift.empty()) x += pick(transform.shift, channel);
      values[pixel] = x;
    }
    for (int64_t i = at * plane; i < (at + 1) * plane; ++i) {
      result.push_back(values[images.pixels[static_cast<size_t>(i)]]);
    }
  }
  return result;
}

void visit_images(const FloatGraph& graph, const data::ImageSet& images, int64_t threads,
                  const BatchVisitor& visit) {
  const FloatPass pass(graph, kImagesAtOnce);
  const int64_t batches = (images.count + kImagesAtOnce - 1) / kImagesAtOnce;
  parallel_for(batches, resolve_threads(threads), [&](int64_t batch) {
    const OneOpenMpThread one;
    const int64_t first = batch * kImagesAtOnce;
    const int64_t count = std::min(kImagesAtOnce, images.count - first);
    pass.run(float_images(images, graph.image, first, count),
             [&](int64_t tensor, std::span<const float> values) { visit(first, tensor, values); });
  });
}

std::vector<float> float_logits(const FloatGraph& graph, const data::ImageSet& images,
                                int64_t threads) {
  const int64_t classes = graph.classes();
  std::vector<float> logits(static_cast<size_t>(images.count * classes));
  visit_images(graph, images, threads,
               [&](int64_t first, int64_t tensor, std::span<const float> values) {
                 if (tensor != graph.output) return;
                 std::copy(values.begin(), values.end(), logits.begin() + first * classes);
               });
  return logits;
}

}  // namespace flatenn::calibration
