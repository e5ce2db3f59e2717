#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

namespace flatenn::study {

/// The devices that trainings take in turn, one each.
class DevicePool {
 public:
  /// `device`: as StudyOptions has it.
  explicit DevicePool(const std::string& device);

  /// Held by a training; the device is free again when it is destroyed.
  class Holder {
   public:
    Holder(DevicePool& pool, std::string name) : pool_(pool), name_(std::move(name)) {}
    ~Holder();
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;
    const std::string& name() const { return name_; }  ///< "cpu", "cuda:1"

   private:
    DevicePool& pool_;
    std::string name_;
  };

  /// Waits for a GPU that is free; a CPU always is.
  Holder take();

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::string> free_;  ///< The next one last; empty of the CPU.
  bool is_cpu_ = false;
};

}  // namespace flatenn::study
