#include "campaign/crew.h"

#include <algorithm>
#include <utility>

#include "campaign/batch_size.h"
#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/base/version.h"

namespace flatenn::campaign {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kBreath = std::chrono::microseconds(500);  // between looks where nothing came

double elapsed_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Dealer::Options dealer_options(const Workload& workload, double seconds_a_trial) {
  const int64_t logits =
      workload.images_per_trial() * workload.subjects().front().network->classes();
  std::vector<int64_t> models;
  for (const store::CellRow& cell : workload.cells()) models.push_back(cell.model);
  return {.most = BatchSize::most(logits), .seconds_a_trial = seconds_a_trial, .models = models};
}

}  // namespace

nlohmann::json crew_briefing(const Workload& workload, const store::PlanRow& plan) {
  nlohmann::json goldens = nlohmann::json::array();
  for (const Subject& subject : workload.subjects())
    goldens.push_back({{"hash", subject.hash},
                       {"correct", subject.golden->correct},
                       {"loss", subject.golden->loss}});
  return {{"version", version()},
          {"fingerprint", plan.fingerprint},
          {"settings", plan.settings},
          {"pilot", plan.pilot},
          {"goldens", goldens}};
}

LocalWorker::LocalWorker(Workload& workload, double verify_share)
    : runner_(workload, verify_share), thread_([this] { work(); }) {}

void LocalWorker::give(int64_t batch, std::vector<store::TrialKey> keys) {
  const std::lock_guard lock(mutex_);
  batches_.push_back({.batch = batch, .keys = std::move(keys)});
  wake_.notify_one();
}

std::optional<RowsMessage> LocalWorker::receive() {
  const std::lock_guard lock(mutex_);
  if (failure_) std::rethrow_exception(failure_);
  if (done_.empty()) return std::nullopt;
  RowsMessage message = std::move(done_.front());
  done_.pop_front();
  return message;
}

void LocalWorker::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void LocalWorker::work() {
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return stopping_ || !batches_.empty(); });
    if (stopping_) return;
    const BatchMessage batch = std::move(batches_.front());
    batches_.pop_front();
    lock.unlock();
    RowsMessage message{.batch = batch.batch};
    std::exception_ptr failure;
    const auto start = Clock::now();
    try {
      message.rows = runner_.run(batch.keys);
      message.verified = runner_.verify(message.rows);
    } catch (...) {
      failure = std::current_exception();
    }
    message.seconds = elapsed_since(start);
    lock.lock();
    failure_ = failure;
    if (failure) return;
    done_.push_back(std::move(message));
  }
}

Crew::Crew(Workload& workload, Transport& transport, const store::PlanRow& plan,
           double seconds_a_trial, double verify_share)
    : transport_(transport),
      dealer_(transport.size(), dealer_options(workload, seconds_a_trial)),
      members_(static_cast<size_t>(transport.size())),
      local_(workload, verify_share) {
  dealer_.join(0);
  members_.front() = {.host = "", .is_ready = true};
  const std::string start = json_message(MessageKind::kStart, crew_briefing(workload, plan));
  for (int64_t rank = 1; rank < transport.size(); ++rank) transport_.send(rank, start);
}

Crew::~Crew() {
  try {
    end();
  } catch (const std::exception& error) {
    log::debug("crew: ", error.what());  // of a run that fails for another reason
  }
}

double Crew::now() const { return elapsed_since(start_); }

void Crew::deal(int64_t left) {
  while (auto hand = dealer_.deal(now(), left)) {
    if (hand->worker == 0) {
      local_.give(hand->batch, std::move(hand->keys));
    } else {
      transport_.send(hand->worker, batch_message(hand->batch, hand->keys));
    }
  }
}

void Crew::add_rows(int64_t worker, RowsMessage message) {
  dealer_.returned(message.batch, worker, message.seconds, now());
  verified_ += message.verified;
  rows_.insert(rows_.end(), message.rows.begin(), message.rows.end());
}

void Crew::lose(int64_t worker, const std::string& reason) {
  Member& member = members_[static_cast<size_t>(worker)];
  member.is_gone = true;
  dealer_.leave(worker);
  log::warn("rank ", worker, member.host.empty() ? "" : " on " + member.host,
            ": takes no part: ", reason);
}

void Crew::take(const Transport::Message& message) {
  Member& member = members_[static_cast<size_t>(message.rank)];
  switch (kind_of(message.bytes)) {
    case MessageKind::kReady:
      member.host = read_json(message.bytes).at("host").get<std::string>();
      member.is_ready = true;
      dealer_.join(message.rank);
      return;
    case MessageKind::kRows:
      add_rows(message.rank, read_rows(message.bytes));
      return;
    case MessageKind::kFailed: {
      const nlohmann::json why = read_json(message.bytes);
      member.host = why.at("host").get<std::string>();
      lose(message.rank, why.at("reason").get<std::string>());
      FLATENN_CHECK(!why.at("computes_wrongly").get<bool>(), "rank ", message.rank, " on ",
                    member.host, ": ", why.at("reason").get<std::string>());
      return;
    }
    case MessageKind::kBye:
      member.is_gone = true;
      dealer_.leave(message.rank);
      return;
    default:
      throw Error("crew: rank " + std::to_string(message.rank) + " sent an unknown message");
  }
}

/// Whether anything came.
bool Crew::receive() {
  bool any = false;
  while (auto message = local_.receive()) {
    add_rows(0, std::move(*message));
    any = true;
  }
  while (const auto message = transport_.receive()) {
    take(*message);
    any = true;
  }
  return any;
}

std::vector<store::TrialRow> Crew::turn(int64_t left) {
  constexpr double kStoreEvery = 0.5;
  constexpr double kLookAround = 0.1;
  const double begin = now();
  for (;;) {
    deal(left);
    const bool any = receive();
    const bool due = now() - stored_ >= kStoreEvery || dealer_.outstanding() == 0;
    if (!rows_.empty() && due) {
      stored_ = now();
      return take_rows();
    }
    if (now() - begin >= kLookAround && (rows_.empty() || dealer_.wanted() > 0)) return {};
    if (!any) std::this_thread::sleep_for(kBreath);
  }
}

bool Crew::all_said_goodbye() const {
  return std::all_of(members_.begin() + 1, members_.end(),
                     [](const Member& member) { return member.is_gone; });
}

std::vector<store::TrialRow> Crew::end() {
  constexpr double kPatience = 5;
  if (std::exchange(stopped_, true)) return {};
  for (int64_t rank = 1; rank < transport_.size(); ++rank)
    transport_.send(rank, simple_message(MessageKind::kStop));
  const double begin = now();
  local_.stop();
  while (receive() || !all_said_goodbye()) {
    if (now() - begin > kPatience) {
      log::warn("not all ranks ended; nothing of what they sent is lost");
      transport_.abandon();
      break;
    }
    std::this_thread::sleep_for(kBreath);
  }
  return take_rows();
}

std::string Crew::summary() const {
  std::string text;
  for (size_t rank = 0; rank < members_.size(); ++rank) {
    const int64_t done = dealer_.trials_of(static_cast<int64_t>(rank));
    text += (rank == 0 ? "" : ", ") + std::to_string(done);
  }
  return text;
}

}  // namespace flatenn::campaign
