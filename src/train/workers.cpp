#include "train/workers.h"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "flatenn/base/error.h"
#include "train/batch_part.h"
#include "train/device.h"

namespace flatenn::train {
namespace {

TrainConfig config_of_part(TrainConfig config, int64_t parts) {
  FLATENN_CHECK(config.batch_size % (parts * config.accumulate) == 0,
                "train.batch_size: expected a multiple of ", parts * config.accumulate, " for ",
                parts, " GPUs and train.accumulate = ", config.accumulate, ", got ",
                config.batch_size);
  config.batch_size /= parts;
  return config;
}

std::unique_ptr<BatchSource> batches_of(const Workers::MakeBatches& make, torch::Device device,
                                        int64_t part, int64_t parts) {
  return part_of_batches(make(device), part, parts);
}

}  // namespace

/// A trainer that steps on a thread of its own whenever it is told to.
struct Workers::Follower {
  Follower(const TrainConfig& config, nn::Model model, std::unique_ptr<BatchSource> source,
           torch::Device on, Member member)
      : batches(std::move(source)),
        trainer(config, std::move(model), *batches, on, member),
        device(on),
        group(*member.group),
        thread([this] { serve(); }) {}

  ~Follower() {
    tell(Order::kEnd);
    thread.join();
  }
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  void start_step() { tell(Order::kStep); }
  /// What the step threw; null: nothing.
  std::exception_ptr wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return order == Order::kNone; });
    return failure;
  }

 private:
  enum class Order { kNone, kStep, kEnd };

  void tell(Order what) {
    const std::lock_guard lock(mutex);
    order = what;
    changed.notify_all();
  }

  void serve() {
    use_device(device);
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [this] { return order != Order::kNone; });
      if (order == Order::kEnd) return;
      lock.unlock();
      std::exception_ptr thrown;
      try {
        trainer.step();
      } catch (...) {
        thrown = std::current_exception();
        group.abort();  // The others would wait for this one.
      }
      lock.lock();
      failure = thrown;
      if (order == Order::kStep) order = Order::kNone;
      changed.notify_all();
    }
  }

 public:
  std::unique_ptr<BatchSource> batches;
  Trainer trainer;

 private:
  torch::Device device;
  Collective& group;
  std::mutex mutex;
  std::condition_variable changed;
  Order order = Order::kNone;
  std::exception_ptr failure;
  std::thread thread;  ///< Last: it uses all others.
};

Workers::Workers(const TrainConfig& config, const std::vector<nn::Model>& models,
                 const MakeBatches& make_batches, const std::vector<torch::Device>& devices,
                 std::vector<std::unique_ptr<Collective>> group)
    : group_(std::move(group)) {
  const auto count = static_cast<int64_t>(devices.size());
  FLATENN_ASSERT(
      models.size() == devices.size() && group_.size() == (count > 1 ? devices.size() : size_t{0}),
      "workers without model or group");
  const TrainConfig part = config_of_part(config, count);
  batches_ = batches_of(make_batches, devices.front(), 0, count);
  first_ = std::make_unique<Trainer>(part, models.front(), *batches_, devices.front(),
                                     count > 1 ? Member{.group = group_.front().get()} : Member{});
  for (size_t i = 1; i < devices.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    followers_.push_back(std::make_unique<Follower>(
        part, models[i], batches_of(make_batches, devices[i], index, count), devices[i],
        Member{.group = group_[i].get(), .index = index}));
  }
}

Workers::~Workers() = default;

Trainer& Workers::first() { return *first_; }

void Workers::step() {
  for (const auto& follower : followers_) follower->start_step();
  std::exception_ptr failure;
  try {
    first_->step();
  } catch (...) {
    failure = std::current_exception();
    if (!group_.empty()) group_.front()->abort();
  }
  for (const auto& follower : followers_) {
    // The first one's own failure, where there are both, may be what the other's made of it.
    if (const std::exception_ptr other = follower->wait(); other && !failure) failure = other;
  }
  if (failure) std::rethrow_exception(failure);
}

void Workers::reset_totals() {
  first_->reset_totals();
  for (const auto& follower : followers_) follower->trainer.reset_totals();
}

void Workers::load(torch::serialize::InputArchive& archive) {
  first_->load(archive);
  for (const auto& follower : followers_) follower->trainer.load(archive);
}

}  // namespace flatenn::train
