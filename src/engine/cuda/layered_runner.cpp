#include "engine/cuda/layered_runner.h"

#include <algorithm>

#include "flatenn/base/log.h"
#include "flatenn/base/parallel.h"

namespace flatenn::engine::cuda {
namespace {

/// Share of the free device memory that fault-free activations may take.
constexpr double kGoldenShare = 0.6;
/// Images at a time. Fewer stay in the card's cache but leave its multiprocessors idle at the end
/// of every layer; ResNet-18 on an H100: 125 images 29.4 ms, 250 23.0, 500 20.7, 1000 20.0,
/// 2500 19.5.
constexpr int64_t kChunk = 2500;

int64_t divide_up(int64_t value, int64_t by) { return (value + by - 1) / by; }

Window window_of(const net::Network& network, const net::Layer& layer) {
  Window window{.height = static_cast<int>(layer.kernel()),
                .width = static_cast<int>(layer.kernel()),
                .stride = static_cast<int>(layer.stride()),
                .pad = static_cast<int>(layer.pad())};
  if (layer.kind == net::LayerKind::kConv) {
    window.height = static_cast<int>(layer.weights.kernel_height);
    window.width = static_cast<int>(layer.weights.kernel_width);
  } else if (layer.kind == net::LayerKind::kLinear) {
    const net::Shape& src = network.activations[static_cast<size_t>(layer.src)].shape;
    window = {.height = static_cast<int>(src.height), .width = static_cast<int>(src.width)};
  }
  return window;
}

ByteTensor<4> byte_tensor(const Tensor& tensor, const uint8_t* data, int64_t images) {
  const int64_t row = tensor.shape.width * tensor.pitch;
  return {.data = data,
          .extents = {tensor.pitch, tensor.shape.width, tensor.shape.height, images},
          .strides = {tensor.pitch, row, row * tensor.shape.height}};
}

}  // namespace

LayeredRunner::LayeredRunner(std::shared_ptr<const net::Network> network,
                             std::shared_ptr<const ImageCodes> images, const Limits& limits)
    : network_(std::move(network)),
      images_(std::move(images)),
      limits_(limits),
      plan_(plan_layers(*network_, limits.tile_kernels)),
      image_codes_(images_->codes),
      golden_weights_(pack_weights(*network_, plan_)),
      weights_(plan_.weight_bytes),
      golden_factors_(plan_.factors),
      factors_(plan_.factors),
      layouts_(plan_.weights) {
  FLATENN_CUDA_CHECK(cudaMemcpy(weights_.data(), golden_weights_.data(),
                                static_cast<size_t>(plan_.weight_bytes), cudaMemcpyDeviceToDevice));
  choose_chunk(limits.chunk);
  golden_.resize(plan_.tensors.size());
  make_tensor_maps();
}

void LayeredRunner::choose_chunk(int64_t wanted) {
  const int64_t most = wanted > 0 ? wanted : kChunk;
  // Chunks of one size, so that the last one is not small.
  chunk_ = divide_up(images_->count, divide_up(images_->count, most));
  while (true) {
    try {
      scratch_ = DeviceBuffer<uint8_t>(plan_.scratch_bytes * chunk_);
      return;
    } catch (const Error&) {
      if (chunk_ == 1) throw;
      chunk_ = divide_up(chunk_, 2);
      log::warn("CUDA engine: too little device memory, ", chunk_, " images at a time");
    }
  }
}

void LayeredRunner::make_tensor_maps() {
  maps_.resize(plan_.steps.size());
  for (size_t i = 0; i < plan_.steps.size(); ++i) {
    const Step& step = plan_.steps[i];
    if (step.kind != StepKind::kConvTile) continue;
    const WeightLayout& w = plan_.weights[static_cast<size_t>(step.layer)];
    const int64_t channels = step.variant.channels;
    maps_[i].weights = make_tensor_map<2>({.data = weights_.data() + w.offset,
                                           .extents = {w.row_bytes, w.rows},
                                           .strides = {w.row_bytes}},
                                          {kStageBytes, channels}, {1, 1});
    for (const Place place : {kScratch, kGolden}) {
      const int64_t images = place == kScratch ? chunk_ : images_->count;
      const auto map = [&](int64_t tensor, int64_t inner, int64_t stride) {
        if (tensor < 0) return CUtensorMap{};
        const uint8_t* data = tensor_data(place, tensor);
        if (data == nullptr) return CUtensorMap{};
        return make_tensor_map<4>(
            byte_tensor(plan_.tensors[static_cast<size_t>(tensor)], data, images),
            {inner, step.tile_x, step.tile_y, step.tile_n}, {1, stride, stride, 1});
      };
      maps_[i].src[place] = map(step.src, step.variant.unit, step.stride);
      maps_[i].dst[place] = map(step.dst, channels, 1);
      maps_[i].skip[place] = map(step.skip, channels, 1);
    }
  }
}

uint8_t* LayeredRunner::tensor_data(Place place, int64_t tensor) {
  const auto i = static_cast<size_t>(tensor);
  if (place == kGolden) return golden_[i].data();
  return scratch_.data() + plan_.tensors[i].scratch * chunk_;
}

View LayeredRunner::view_at(uint8_t* data, int64_t tensor) const {
  const Tensor& t = plan_.tensors[static_cast<size_t>(tensor)];
  return {.data = data,
          .channels = static_cast<int>(t.shape.channels),
          .height = static_cast<int>(t.shape.height),
          .width = static_cast<int>(t.shape.width),
          .pitch = static_cast<int>(t.pitch),
          .is_signed = t.is_signed};
}

LayeredRunner::Place LayeredRunner::place_of(const Pass& pass, int64_t tensor) const {
  if (pass.writes_golden) return kGolden;
  const bool computed = plan_.tensors[static_cast<size_t>(tensor)].producer >= pass.first_step;
  return computed || !pass.job->images.empty() ? kScratch : kGolden;
}

View LayeredRunner::view_of(const Pass& pass, int64_t tensor) {
  const Place place = place_of(pass, tensor);
  const int64_t offset =
      place == kGolden ? pass.start * plan_.tensors[static_cast<size_t>(tensor)].bytes() : 0;
  return view_at(tensor_data(place, tensor) + offset, tensor);
}

void LayeredRunner::keep_golden() {
  golden_tried_ = true;
  int64_t needed = 0;
  for (const Tensor& tensor : plan_.tensors) {
    if (tensor.producer >= 0) needed += tensor.bytes() * images_->count;
  }
  size_t free = 0;
  size_t total = 0;
  FLATENN_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  if (static_cast<double>(needed) > kGoldenShare * static_cast<double>(free)) {
    log::info("CUDA engine: fault-free activations need ", needed,
              " bytes and are not kept on the device");
    return;
  }
  for (size_t i = 0; i < plan_.tensors.size(); ++i) {
    const Tensor& tensor = plan_.tensors[i];
    if (tensor.producer >= 0) golden_[i] = DeviceBuffer<uint8_t>(tensor.bytes() * images_->count);
  }
  make_tensor_maps();
  const int64_t classes = network_->classes();
  DeviceBuffer<float> logits(images_->count * classes);
  const Job all;
  for_chunks(all, [&](int64_t start, int64_t count) {
    run_pass({.job = &all,
              .start = start,
              .count = count,
              .end_step = static_cast<int64_t>(plan_.steps.size()),
              .writes_golden = true,
              .logits = logits.data() + start * classes});
  });
  golden_logits_.resize(static_cast<size_t>(images_->count * classes));
  FLATENN_CUDA_CHECK(cudaMemcpyAsync(golden_logits_.data(), logits.data(),
                                     golden_logits_.size() * sizeof(float), cudaMemcpyDeviceToHost,
                                     stream_));
  stream_.wait();
}

int64_t LayeredRunner::image_of(const Job& job, int64_t position) const {
  return job.images.empty() ? position : job.images[static_cast<size_t>(position)];
}

int64_t LayeredRunner::first_step(const Job& job) const {
  if (golden_logits_.empty()) return 0;
  auto first = static_cast<int64_t>(plan_.steps.size());
  for (const WeightChange& change : job.weights) {
    first = std::min(first, plan_.step_of_layer[static_cast<size_t>(change.layer)]);
  }
  for (const BiasChange& change : job.biases) {
    first = std::min(first, plan_.step_of_layer[static_cast<size_t>(change.layer)]);
  }
  if (job.activations == nullptr) return first;
  for (size_t i = 0; i < network_->activations.size(); ++i) {
    if (network_->activations[i].is_float || !job.activations->touches(static_cast<int64_t>(i))) {
      continue;
    }
    first = std::min(first, i == 0 ? 0 : plan_.tensors[i].producer);
  }
  return first;
}

template <typename Body>
void LayeredRunner::for_chunks(const Job& job, const Body& body) {
  const int64_t count =
      job.images.empty() ? images_->count : static_cast<int64_t>(job.images.size());
  for (int64_t start = 0; start < count; start += chunk_) {
    body(start, std::min(chunk_, count - start));
  }
}

void LayeredRunner::run(std::span<Job> jobs) {
  if (!golden_tried_) keep_golden();
  size_t next = 0;
  for (Job& job : jobs) {
    Flight& flight = flights_[next];
    next = 1 - next;
    finish(flight);
    start(job, flight);
  }
  finish(flights_[next]);
  finish(flights_[1 - next]);
}

void LayeredRunner::start(Job& job, Flight& flight) {
  const int64_t first = first_step(job);
  const auto steps = static_cast<int64_t>(plan_.steps.size());
  const int64_t classes = network_->classes();
  if (first == steps) {
    for (size_t i = 0; i * static_cast<size_t>(classes) < job.logits.size(); ++i) {
      const float* row = golden_logits_.data() + image_of(job, static_cast<int64_t>(i)) * classes;
      std::copy_n(row, classes, job.logits.begin() + static_cast<int64_t>(i) * classes);
    }
    return;
  }
  flight.job = &job;
  const auto size = static_cast<int64_t>(job.logits.size());
  flight.logits.reserve(size);
  flight.device_logits.reserve(size);
  apply_changes(job, flight);
  for_chunks(job, [&](int64_t start, int64_t count) {
    run_pass({.job = &job,
              .start = start,
              .count = count,
              .first_step = first,
              .end_step = steps,
              .logits = flight.device_logits.data() + start * classes});
  });
  undo_changes(job, flight);
  FLATENN_CUDA_CHECK(cudaMemcpyAsync(flight.logits.data(), flight.device_logits.data(),
                                     job.logits.size() * sizeof(float), cudaMemcpyDeviceToHost,
                                     stream_));
  flight.done.record(stream_);
}

void LayeredRunner::finish(Flight& flight) {
  if (flight.job == nullptr) return;
  flight.done.wait();
  std::copy_n(flight.logits.data(), flight.job->logits.size(), flight.job->logits.begin());
  flight.job = nullptr;
}

void LayeredRunner::apply_changes(const Job& job, Flight& flight) {
  const auto weights = static_cast<int64_t>(job.weights.size());
  const auto biases = static_cast<int64_t>(job.biases.size());
  flight.weights.reserve(weights);
  flight.device_weights.reserve(weights);
  flight.biases.reserve(biases);
  flight.device_biases.reserve(biases);
  for (int64_t i = 0; i < weights; ++i) {
    const WeightChange& change = job.weights[static_cast<size_t>(i)];
    const WeightLayout& layout = plan_.weights[static_cast<size_t>(change.layer)];
    flight.weights.data()[i] = {
        .element = static_cast<uint32_t>(layout.first_element + change.element),
        .code = change.code};
  }
  for (int64_t i = 0; i < biases; ++i) {
    const BiasChange& change = job.biases[static_cast<size_t>(i)];
    const auto step = static_cast<size_t>(plan_.step_of_layer[static_cast<size_t>(change.layer)]);
    flight.biases.data()[i] = {
        .factor = static_cast<uint32_t>(plan_.steps[step].first_factor + change.channel),
        .bias = static_cast<float>(change.value)};
  }
  FLATENN_CUDA_CHECK(cudaMemcpyAsync(flight.device_weights.data(), flight.weights.data(),
                                     job.weights.size() * sizeof(WeightWrite),
                                     cudaMemcpyHostToDevice, stream_));
  FLATENN_CUDA_CHECK(cudaMemcpyAsync(flight.device_biases.data(), flight.biases.data(),
                                     job.biases.size() * sizeof(BiasWrite), cudaMemcpyHostToDevice,
                                     stream_));
  launch_weight_writes(flight.device_weights.data(), weights, layouts_.data(),
                       static_cast<int>(layouts_.size()), nullptr, weights_.data(), stream_);
  launch_bias_writes(flight.device_biases.data(), biases, nullptr, factors_.data(), stream_);
}

void LayeredRunner::undo_changes(const Job& job, Flight& flight) {
  launch_weight_writes(flight.device_weights.data(), static_cast<int64_t>(job.weights.size()),
                       layouts_.data(), static_cast<int>(layouts_.size()), golden_weights_.data(),
                       weights_.data(), stream_);
  launch_bias_writes(flight.device_biases.data(), static_cast<int64_t>(job.biases.size()),
                     golden_factors_.data(), factors_.data(), stream_);
}

void LayeredRunner::gather_sources(const Pass& pass) {
  const std::span<const int64_t> images = pass.job->images;
  const int64_t image_bytes = images_->shape.elements();
  const bool faulty_image = pass.job->activations != nullptr && pass.job->activations->touches(0);
  pass_codes_ = image_codes_.data() + pass.start * image_bytes;
  if (images.empty() && !faulty_image) return;
  chunk_codes_.reserve(chunk_ * image_bytes);
  if (images.empty()) {
    FLATENN_CUDA_CHECK(cudaMemcpyAsync(chunk_codes_.data(), pass_codes_,
                                       static_cast<size_t>(pass.count * image_bytes),
                                       cudaMemcpyDeviceToDevice, stream_));
  } else {
    indices_.reserve(chunk_);
    FLATENN_CUDA_CHECK(cudaMemcpyAsync(indices_.data(), images.data() + pass.start,
                                       static_cast<size_t>(pass.count) * sizeof(int64_t),
                                       cudaMemcpyHostToDevice, stream_));
    launch_gather(reinterpret_cast<const uint8_t*>(image_codes_.data()), indices_.data(),
                  pass.count, image_bytes, reinterpret_cast<uint8_t*>(chunk_codes_.data()),
                  stream_);
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      const Tensor& tensor = plan_.tensors[i];
      if (tensor.producer < 0 || tensor.producer >= pass.first_step ||
          tensor.last_use < pass.first_step) {
        continue;
      }
      launch_gather(golden_[i].data(), indices_.data(), pass.count, tensor.bytes(),
                    tensor_data(kScratch, static_cast<int64_t>(i)), stream_);
    }
  }
  pass_codes_ = chunk_codes_.data();
  if (faulty_image) {
    View view = view_at(reinterpret_cast<uint8_t*>(chunk_codes_.data()), 0);
    apply_masks(pass, 0, view, true);
  }
}

void LayeredRunner::apply_masks(const Pass& pass, int64_t activation, const View& tensor,
                                bool planar) {
  std::vector<std::vector<MaskWrite>> by_image(static_cast<size_t>(pass.count));
  parallel_for(pass.count, limits_.threads, [&](int64_t i) {
    std::vector<fault::CodeMask> drawn;
    pass.job->activations->masks(activation, image_of(*pass.job, pass.start + i), drawn);
    for (const fault::CodeMask& mask : drawn) {
      by_image[static_cast<size_t>(i)].push_back({.image = static_cast<int32_t>(i),
                                                  .element = static_cast<int32_t>(mask.element),
                                                  .flip = mask.flip,
                                                  .set = mask.set,
                                                  .clear = mask.clear});
    }
  });
  std::vector<MaskWrite> masks;
  for (const std::vector<MaskWrite>& some : by_image) {
    masks.insert(masks.end(), some.begin(), some.end());
  }
  if (masks.empty()) return;
  const auto count = static_cast<int64_t>(masks.size());
  if (count > masks_.size()) {
    stream_.wait();
    masks_.reserve(2 * count);
  }
  // From pageable memory: the call returns when the values have been taken.
  FLATENN_CUDA_CHECK(cudaMemcpyAsync(masks_.data(), masks.data(), masks.size() * sizeof(MaskWrite),
                                     cudaMemcpyHostToDevice, stream_));
  launch_masks(masks_.data(), count, tensor,
               network_->activations[static_cast<size_t>(activation)].bits, planar, stream_);
}

void LayeredRunner::run_pass(const Pass& pass) {
  gather_sources(pass);
  for (int64_t i = pass.first_step; i < pass.end_step; ++i) run_step(pass, i);
}

void LayeredRunner::run_step(const Pass& pass, int64_t index) {
  const Step& step = plan_.steps[static_cast<size_t>(index)];
  const net::Layer* layer =
      step.layer < 0 ? nullptr : &network_->layers[static_cast<size_t>(step.layer)];
  const View dst = step.dst < 0 ? View{} : view_of(pass, step.dst);
  switch (step.kind) {
    case StepKind::kPixels:
      launch_pixels(pass_codes_, dst, pass.count, stream_);
      return;
    case StepKind::kColumns: {
      const net::Shape& image = network_->input().shape;
      launch_columns(pass_codes_,
                     {.channels = static_cast<int>(image.channels),
                      .height = static_cast<int>(image.height),
                      .width = static_cast<int>(image.width),
                      .window = window_of(*network_, *layer)},
                     dst, pass.count, stream_);
      return;
    }
    case StepKind::kConvTile:
      run_conv_tile(pass, index);
      break;
    case StepKind::kConvDirect: {
      DirectArgs args{
          .src = view_of(pass, step.src),
          .dst = dst,
          .skip = step.skip < 0 ? View{} : view_of(pass, step.skip),
          .weights = weights_.data() + plan_.weights[static_cast<size_t>(step.layer)].offset,
          .factors = factors_.data() + step.first_factor,
          .window = window_of(*network_, *layer),
          .groups = static_cast<int>(layer->groups),
          .requantize = step.requantize};
      if (step.dst < 0) {
        args.dst = view_at(nullptr, layer->dst);
        args.logits = pass.logits;
      }
      launch_conv_direct(args, pass.count, stream_);
      break;
    }
    case StepKind::kMaxPool:
      launch_max_pool(view_of(pass, step.src), dst, window_of(*network_, *layer), pass.count,
                      stream_);
      break;
    case StepKind::kAvgPool:
      launch_avg_pool(view_of(pass, step.src), dst, window_of(*network_, *layer), step.requantize,
                      pass.count, stream_);
      break;
  }
  const fault::ActivationFaults* faults = pass.job->activations;
  if (step.dst >= 0 && faults != nullptr && faults->touches(step.dst)) {
    apply_masks(pass, step.dst, dst, false);
  }
}

void LayeredRunner::run_conv_tile(const Pass& pass, int64_t index) {
  const Step& step = plan_.steps[static_cast<size_t>(index)];
  const TensorMaps& maps = maps_[static_cast<size_t>(index)];
  const net::Shape& out =
      network_
          ->activations[static_cast<size_t>(network_->layers[static_cast<size_t>(step.layer)].dst)]
          .shape;
  ConvTileArgs args{};
  args.weights = maps.weights;
  const auto use = [&](int64_t tensor, const std::array<CUtensorMap, 2>& choices, CUtensorMap& map,
                       int& image) {
    const Place place = place_of(pass, tensor);
    map = choices[place];
    image = place == kGolden ? static_cast<int>(pass.start) : 0;
  };
  use(step.src, maps.src, args.src, args.src_image);
  if (step.skip >= 0) use(step.skip, maps.skip, args.skip, args.skip_image);
  if (step.dst >= 0) {
    use(step.dst, maps.dst, args.dst, args.dst_image);
  } else {
    args.logits = pass.logits;
  }
  args.has_skip = step.skip >= 0;
  args.factors = factors_.data() + step.first_factor;
  args.requantize = step.requantize;
  args.tile_x = step.tile_x;
  args.tile_y = step.tile_y;
  args.tile_n = step.tile_n;
  args.tiles_x = static_cast<int>(divide_up(out.width, step.tile_x));
  args.tiles_y = static_cast<int>(divide_up(out.height, step.tile_y));
  args.tiles_n = static_cast<int>(divide_up(pass.count, step.tile_n));
  args.channel_tiles = static_cast<int>(divide_up(out.channels, step.variant.channels));
  args.stride = step.stride;
  args.pad = step.pad;
  args.kernel_width = step.kernel_width;
  args.taps = step.taps;
  args.units = step.units;
  args.images = static_cast<int>(pass.count);
  args.channels = static_cast<int>(out.channels);
  args.height = static_cast<int>(out.height);
  args.width = static_cast<int>(out.width);
  launch_conv_tile(step.variant, args, stream_);
}

std::vector<int16_t> LayeredRunner::codes(const Job& job, int64_t activation) {
  const net::Activation& wanted = network_->activations[static_cast<size_t>(activation)];
  const Tensor& tensor = plan_.tensors[static_cast<size_t>(activation)];
  const bool planar = activation == 0;
  const int64_t elements = wanted.shape.elements();
  const int64_t pixels = wanted.shape.height * wanted.shape.width;
  const int64_t image_bytes = planar ? elements : tensor.bytes();
  std::vector<int16_t> result;
  std::vector<uint8_t> bytes(static_cast<size_t>(chunk_ * image_bytes));
  Flight& flight = flights_[0];
  apply_changes(job, flight);
  for_chunks(job, [&](int64_t start, int64_t count) {
    run_pass({.job = &job,
              .start = start,
              .count = count,
              .end_step = planar ? 0 : tensor.producer + 1});
    const void* data =
        planar ? static_cast<const void*>(pass_codes_) : tensor_data(kScratch, activation);
    FLATENN_CUDA_CHECK(cudaMemcpyAsync(bytes.data(), data, static_cast<size_t>(count * image_bytes),
                                       cudaMemcpyDeviceToHost, stream_));
    stream_.wait();
    for (int64_t n = 0; n < count; ++n) {
      for (int64_t e = 0; e < elements; ++e) {
        const int64_t at = planar ? e : e % pixels * tensor.pitch + e / pixels;
        const uint8_t code = bytes[static_cast<size_t>(n * image_bytes + at)];
        result.push_back(wanted.is_signed ? static_cast<int8_t>(code) : int16_t{code});
      }
    }
  });
  undo_changes(job, flight);
  stream_.wait();
  return result;
}

}  // namespace flatenn::engine::cuda
