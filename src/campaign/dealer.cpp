#include "campaign/dealer.h"

#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"

namespace flatenn::campaign {

using store::TrialKey;

Dealer::Dealer(int64_t workers, Options options)
    : options_(std::move(options)), workers_(static_cast<size_t>(workers)) {}

void Dealer::join(int64_t worker) {
  WorkerState& state = workers_[static_cast<size_t>(worker)];
  FLATENN_ASSERT(!state.is_there, "dealer: a worker joins twice");
  state.is_there = true;
  ++joined_;
  idle_.push_back(worker);
}

void Dealer::leave(int64_t worker) {
  WorkerState& state = workers_[static_cast<size_t>(worker)];
  if (!state.is_there) return;
  for (const Batch& batch : state.batches) {
    for (auto key = batch.keys.rbegin(); key != batch.keys.rend(); ++key) {
      if (holds(*key)) pool_.push_front(*key);
    }
  }
  if (state.speed > 0) {
    --measured_;
    measured_speed_ -= state.speed;
  }
  --joined_;
  state = {.done = state.done};
}

void Dealer::offer(const std::vector<TrialKey>& keys) {
  for (const TrialKey& key : keys) {
    if (held_.insert(packed(key)).second) pool_.push_back(key);
  }
}

/// Of a worker not measured: as fast as the others.
double Dealer::speed_of(const WorkerState& worker) const {
  if (worker.speed > 0) return worker.speed;
  if (measured_ > 0) return measured_speed_ / static_cast<double>(measured_);
  return options_.seconds_a_trial > 0 ? 1 / options_.seconds_a_trial : 0;
}

double Dealer::total_speed() const {
  const double others = measured_ > 0 ? measured_speed_ / static_cast<double>(measured_)
                        : options_.seconds_a_trial > 0 ? 1 / options_.seconds_a_trial
                                                       : 0;
  return measured_speed_ + others * static_cast<double>(joined_ - measured_);
}

/// Enough that the workers do not run dry within the next rounds.
int64_t Dealer::wanted() const {
  const double ahead = 3 * options_.batch_seconds * total_speed();
  const auto enough = std::max(static_cast<int64_t>(ahead), 8 * joined_);
  return std::max<int64_t>(0, enough - std::ssize(pool_));
}

int64_t Dealer::size_for(const WorkerState& worker, int64_t left) const {
  constexpr int64_t kUnmeasured = 2;
  const bool has_nothing = worker.batches.empty();
  const double speed = speed_of(worker);
  if (speed <= 0) return has_nothing ? kUnmeasured : 0;
  const double seconds_left = static_cast<double>(left) / total_speed();
  const double seconds_queued = static_cast<double>(worker.queued) / speed;
  const double fair = (seconds_left - seconds_queued) / 2;
  const double seconds = std::min(options_.batch_seconds, fair);
  const auto size = static_cast<int64_t>(std::floor(seconds * speed));
  // A first batch tells how fast a worker is: half of what the others say.
  const int64_t most = worker.speed > 0 ? options_.most : std::max(kUnmeasured, options_.most / 2);
  return std::clamp<int64_t>(size, has_nothing ? 1 : 0, most);
}

std::vector<TrialKey> Dealer::take(int64_t most) {
  const auto model_of = [&](const TrialKey& key) {
    return options_.models.empty() ? 0 : options_.models[static_cast<size_t>(key.cell)];
  };
  std::vector<TrialKey> keys;
  while (!pool_.empty() && std::ssize(keys) < most) {
    if (!keys.empty() && model_of(pool_.front()) != model_of(keys.front())) break;
    keys.push_back(pool_.front());
    pool_.pop_front();
  }
  return keys;
}

Dealer::Hand Dealer::give(int64_t worker, std::vector<TrialKey> keys, double now) {
  WorkerState& state = workers_[static_cast<size_t>(worker)];
  Hand hand{.batch = next_batch_++, .worker = worker, .keys = std::move(keys)};
  state.queued += std::ssize(hand.keys);
  state.batches.push_back({.id = hand.batch, .keys = hand.keys, .since = now});
  if (state.batches.size() == 1) single_.push_back(worker);
  return hand;
}

std::optional<Dealer::Hand> Dealer::deal(double now, int64_t left) {
  for (std::deque<int64_t>* const queue : {&idle_, &single_}) {
    const size_t batches = queue == &idle_ ? 0 : 1;
    for (size_t tries = queue->size(); tries > 0 && !pool_.empty(); --tries) {
      const int64_t worker = queue->front();
      queue->pop_front();
      const WorkerState& state = at(worker);
      if (!state.is_there || state.batches.size() != batches) continue;
      const int64_t size = size_for(state, left);
      if (size > 0) return give(worker, take(size), now);
      queue->push_back(worker);
    }
  }
  return pool_.empty() ? second_try(now) : std::nullopt;
}

/// For an idle worker what another should have had done long ago.
std::optional<Dealer::Hand> Dealer::second_try(double now) {
  constexpr double kPatience = 4;  // times what it should take
  while (!idle_.empty() && (!at(idle_.front()).is_there || !at(idle_.front()).batches.empty())) {
    idle_.pop_front();
  }
  if (idle_.empty()) return std::nullopt;
  for (WorkerState& worker : workers_) {
    const double speed = speed_of(worker);
    if (worker.batches.empty() || speed <= 0) continue;
    const double expected = static_cast<double>(worker.queued) / speed + options_.batch_seconds;
    if (now - worker.batches.front().since < kPatience * expected) continue;
    for (Batch& batch : worker.batches) {
      if (batch.is_copied) continue;
      batch.is_copied = true;
      const int64_t helper = idle_.front();
      idle_.pop_front();
      return give(helper, batch.keys, now);
    }
  }
  return std::nullopt;
}

void Dealer::forget(const std::vector<TrialKey>& keys) {
  for (const TrialKey& key : keys) held_.erase(packed(key));
}

void Dealer::returned(int64_t batch, int64_t worker, double seconds, double now) {
  WorkerState& state = workers_[static_cast<size_t>(worker)];
  const auto found = std::find_if(state.batches.begin(), state.batches.end(),
                                  [&](const Batch& mine) { return mine.id == batch; });
  if (found == state.batches.end()) return;  // of a worker that was given up
  const auto trials = static_cast<double>(found->keys.size());
  const double speed = trials / std::max(seconds, 1e-6);
  measured_ += state.speed > 0 ? 0 : 1;
  measured_speed_ -= state.speed;
  state.speed = state.speed > 0 ? (state.speed + speed) / 2 : speed;
  measured_speed_ += state.speed;
  state.queued -= std::ssize(found->keys);
  state.done += std::ssize(found->keys);
  forget(found->keys);
  state.batches.erase(found);
  if (!state.batches.empty()) state.batches.front().since = now;
  (state.batches.empty() ? idle_ : single_).push_back(worker);
}

}  // namespace flatenn::campaign
