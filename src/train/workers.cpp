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

}  // namespace

/// A trainer that steps on a thread of its own whenever it is told to.
struct Workers::Follower {
  Follower(const TrainConfig& config, nn::Model model, std::unique_ptr<BatchSource> source,
           torch::Device on, Member member)
      : batches_(std::move(source)),
        trainer_(config, std::move(model), *batches_, on, member),
        device_(on),
        group_(*member.group),
        thread_([this] { serve(); }) {}

  ~Follower() {
    tell(Order::kEnd);
    thread_.join();
  }
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  Trainer& trainer() { return trainer_; }
  void start_step() { tell(Order::kStep); }
  /// What the step threw; null: nothing.
  std::exception_ptr wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return order_ == Order::kNone; });
    return failure_;
  }

 private:
  enum class Order { kNone, kStep, kEnd };

  void tell(Order what) {
    const std::lock_guard lock(mutex_);
    order_ = what;
    changed_.notify_all();
  }

  void serve() {
    use_device(device_);
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return order_ != Order::kNone; });
      if (order_ == Order::kEnd) return;
      lock.unlock();
      const std::exception_ptr thrown = step();
      lock.lock();
      failure_ = thrown;
      if (order_ == Order::kStep) order_ = Order::kNone;
      changed_.notify_all();
    }
  }

  std::exception_ptr step() {
    try {
      trainer_.step();
    } catch (...) {
      group_.abort();  // The others would wait for this one.
      return std::current_exception();
    }
    return nullptr;
  }

  std::unique_ptr<BatchSource> batches_;
  Trainer trainer_;
  torch::Device device_;
  Collective& group_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Order order_ = Order::kNone;
  std::exception_ptr failure_;
  std::thread thread_;  ///< Last: it uses all others.
};

Workers::Workers(const TrainConfig& config, const std::vector<nn::Model>& models,
                 std::vector<std::unique_ptr<BatchSource>> batches,
                 const std::vector<torch::Device>& devices,
                 std::vector<std::unique_ptr<Collective>> group)
    : group_(std::move(group)) {
  const auto count = static_cast<int64_t>(devices.size());
  FLATENN_ASSERT(models.size() == devices.size() && batches.size() == devices.size() &&
                     group_.size() == (count > 1 ? devices.size() : size_t{0}),
                 "workers without model, batches or group");
  const TrainConfig part = config_of_part(config, count);
  batches_ = part_of_batches(std::move(batches.front()), 0, count);
  first_ = std::make_unique<Trainer>(part, models.front(), *batches_, devices.front(),
                                     count > 1 ? Member{.group = group_.front().get()} : Member{});
  for (size_t i = 1; i < devices.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    followers_.push_back(std::make_unique<Follower>(
        part, models[i], part_of_batches(std::move(batches[i]), index, count), devices[i],
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
  for (const auto& follower : followers_) follower->trainer().reset_totals();
}

void Workers::load(torch::serialize::InputArchive& archive) {
  first_->load(archive);
  for (const auto& follower : followers_) follower->trainer().load(archive);
}

}  // namespace flatenn::train
