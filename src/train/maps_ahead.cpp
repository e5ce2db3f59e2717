#include "train/maps_ahead.h"

#include <algorithm>
#include <utility>

#include "flatenn/base/parallel.h"

namespace flatenn::train {
namespace {

/// A map of ResNet-18 takes a core some 40 ms, a step of a GPU 20 ms.
constexpr int64_t kMostAhead = 6;

}  // namespace

MapsAhead::MapsAhead(std::function<WordMasks(int64_t)> draw, int ahead)
    : draw_(std::move(draw)), ahead_(ahead) {}

WordMasks MapsAhead::take(int64_t step) {
  if (ahead_ == 0) return draw_(step);
  if (begun_.empty() || next_ != step) {  // after a resume, or steps without faults
    begun_.clear();
    next_ = step;
  }
  while (std::ssize(begun_) <= ahead_) {
    const int64_t of = next_ + std::ssize(begun_);
    begun_.push_back(std::async(std::launch::async, [this, of] { return draw_(of); }));
  }
  std::future<WordMasks> first = std::move(begun_.front());
  begun_.pop_front();
  ++next_;
  return first.get();
}

int maps_ahead(torch::Device device) {
  return device.is_cuda()
             ? static_cast<int>(std::clamp<int64_t>(resolve_threads(0) / 2, 1, kMostAhead))
             : 0;
}

}  // namespace flatenn::train
