#include "study/device_pool.h"

#include "flatenn/engine/devices.h"

namespace flatenn::study {

DevicePool::DevicePool(const std::string& device) : is_cpu_(device == "cpu") {
  const std::vector<int64_t> gpus = engine::parse_device_choice(device);
  for (size_t i = gpus.size(); i-- > 0;)
    free_.push_back(gpus.size() == 1 ? device : "cuda:" + std::to_string(gpus[i]));
}

DevicePool::Holder DevicePool::take() {
  if (is_cpu_) return {*this, "cpu"};
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [this] { return !free_.empty(); });
  std::string name = free_.back();
  free_.pop_back();
  return {*this, std::move(name)};
}

DevicePool::Holder::~Holder() {
  if (pool_.is_cpu_) return;
  const std::lock_guard lock(pool_.mutex_);
  pool_.free_.push_back(name_);
  pool_.freed_.notify_one();
}

}  // namespace flatenn::study
