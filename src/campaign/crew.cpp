#include "campaign/crew.h"

#include <algorithm>
#include <utility>

#include "campaign/batch_size.h"
#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/base/parallel.h"
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

int64_t devices_of(const CampaignOptions& options) {
  return std::max<int64_t>(1, std::ssize(options.devices));
}

int64_t ranks_of(const CampaignOptions& options) {
  return options.transport == nullptr ? 1 : options.transport->size();
}

int64_t workers_of(const CampaignOptions& options) {
  return devices_of(options) + ranks_of(options) - 1;
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

LocalWorker::LocalWorker(Workload& workload, double verify_share, const Workload* first)
    : workload_(workload),
      first_(first),
      runner_(workload, verify_share),
      thread_([this] { work(); }) {}

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

void LocalWorker::request_stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  wake_.notify_one();
}

void LocalWorker::stop() {
  request_stop();
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
    try {
      work_on(batch);
    } catch (...) {
      lock.lock();
      failure_ = std::current_exception();
      return;
    }
  }
}

void LocalWorker::work_on(const BatchMessage& batch) {
  if (first_ != nullptr) {
    workload_.run_goldens();
    workload_.check_goldens(*std::exchange(first_, nullptr));
  }
  const auto start = Clock::now();
  RowsMessage message{.batch = batch.batch, .rows = runner_.run(batch.keys)};
  message.verified = runner_.verify(message.rows);
  message.seconds = elapsed_since(start);
  const std::lock_guard lock(mutex_);
  done_.push_back(std::move(message));
}

Crew::Crew(Workload& workload, const CampaignOptions& options, const store::PlanRow& plan,
           store::Worker& worker, double seconds_a_trial)
    : transport_(options.transport),
      worker_(worker),
      dealer_(workers_of(options), dealer_options(workload, seconds_a_trial)),
      members_(static_cast<size_t>(ranks_of(options))) {
  add_devices(workload, options);
  if (ranks() == 1) return;
  const std::string start = json_message(MessageKind::kStart, crew_briefing(workload, plan));
  for (int64_t rank = 1; rank < ranks(); ++rank) transport_->send(rank, start);
}

void Crew::add_devices(Workload& workload, const CampaignOptions& options) {
  const int64_t count = devices_of(options);
  engine::EngineOptions engine = workload.engine_options();
  engine.threads = std::max<int64_t>(1, resolve_threads(engine.threads) / count);
  workload.set_threads(engine.threads);
  workloads_.push_back(&workload);
  for (int64_t i = 1; i < count; ++i) {
    engine.device = options.devices[static_cast<size_t>(i)];
    twins_.push_back(std::make_unique<Workload>(workload, engine));
    workloads_.push_back(twins_.back().get());
  }
  for (Workload* const each : workloads_) {
    dealer_.join(devices());
    locals_.push_back(std::make_unique<LocalWorker>(*each, options.verify_share,
                                                    each == &workload ? nullptr : &workload));
  }
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
    const int64_t rank = hand->worker - devices() + 1;
    if (rank < 1) {
      locals_[static_cast<size_t>(hand->worker)]->give(hand->batch, std::move(hand->keys));
    } else {
      transport_->send(rank, batch_message(hand->batch, hand->keys));
    }
  }
}

/// Workers that hear nothing for long end: rank 0 may be gone.
void Crew::ping() {
  constexpr double kPingEvery = 10;
  if (now() - pinged_ < kPingEvery) return;
  pinged_ = now();
  for (int64_t rank = 1; rank < ranks(); ++rank)
    transport_->send(rank, simple_message(MessageKind::kPing));
}

void Crew::add_rows(int64_t worker, int64_t helper, RowsMessage message) {
  dealer_.returned(message.batch, worker, message.seconds, now());
  verified_ += message.verified;
  rows_.insert(rows_.end(), message.rows.begin(), message.rows.end());
  by_.resize(rows_.size(), helper);
}

void Crew::join(int64_t rank, const nlohmann::json& who) {
  Member& member = members_[static_cast<size_t>(rank)];
  member.host = who.at("host").get<std::string>();
  const std::string engine = who.at("engine").get<std::string>();
  member.helper = worker_.add_helper(
      {.host = who.at("space").get<std::string>(),
       .pid = who.at("pid").get<int64_t>(),
       .engine = detail::concat(engine.empty() ? "none" : engine, ", rank ", rank, " of ", ranks()),
       .threads = who.at("threads").get<int64_t>(),
       .version = who.at("version").get<std::string>()});
  dealer_.join(worker_of(rank));
}

void Crew::leave(int64_t rank, const char* ending) {
  Member& member = members_[static_cast<size_t>(rank)];
  member.is_gone = true;
  dealer_.leave(worker_of(rank));
  if (member.helper > 0 && !stopped_) worker_.end_helper(std::exchange(member.helper, 0), ending);
}

void Crew::take(const Transport::Message& message) {
  Member& member = members_[static_cast<size_t>(message.rank)];
  if (member.helper > 0) worker_.heard_of(member.helper);
  switch (kind_of(message.bytes)) {
    case MessageKind::kReady:
      join(message.rank, read_json(message.bytes));
      return;
    case MessageKind::kPong:
      return;
    case MessageKind::kRows:
      add_rows(worker_of(message.rank), member.helper, read_rows(message.bytes));
      return;
    case MessageKind::kFailed: {
      const nlohmann::json why = read_json(message.bytes);
      member.host = why.at("host").get<std::string>();
      log::warn("rank ", message.rank, " on ", member.host,
                ": takes no part: ", why.at("reason").get<std::string>());
      leave(message.rank, "failed");
      FLATENN_CHECK(!why.at("computes_wrongly").get<bool>(), "rank ", message.rank, " on ",
                    member.host, ": ", why.at("reason").get<std::string>());
      return;
    }
    case MessageKind::kBye:
      leave(message.rank, "interrupted");
      return;
    default:
      throw Error("crew: rank " + std::to_string(message.rank) + " sent an unknown message");
  }
}

/// Whether anything came.
bool Crew::receive_from(size_t device) {
  bool any = false;
  try {
    while (auto message = locals_[device]->receive()) {
      add_rows(static_cast<int64_t>(device), /*helper=*/0, std::move(*message));
      any = true;
    }
  } catch (const Error& error) {
    if (devices() == 1) throw;
    throw Error(
        detail::concat("device ", workloads_[device]->engine_options().device, ": ", error.what()));
  }
  return any;
}

/// Whether anything came.
bool Crew::receive() {
  bool any = false;
  for (size_t device = 0; device < locals_.size(); ++device) any = receive_from(device) || any;
  while (transport_ != nullptr) {
    const auto message = transport_->receive();
    if (!message) break;
    take(*message);
    any = true;
  }
  return any;
}

void Crew::store_rows() {
  worker_.record(rows_, by_);
  rows_.clear();
  by_.clear();
}

bool Crew::turn(int64_t left) {
  constexpr double kStoreEvery = 0.5;
  constexpr double kLookAround = 0.1;
  const double begin = now();
  for (;;) {
    ping();
    deal(left);
    const bool any = receive();
    const bool due = now() - stored_ >= kStoreEvery || dealer_.outstanding() == 0;
    if (!rows_.empty() && due) {
      stored_ = now();
      store_rows();
      return true;
    }
    if (now() - begin >= kLookAround && (rows_.empty() || dealer_.wanted() > 0)) return false;
    if (!any) std::this_thread::sleep_for(kBreath);
  }
}

bool Crew::all_said_goodbye() const {
  return std::all_of(members_.begin() + 1, members_.end(),
                     [](const Member& member) { return member.is_gone; });
}

void Crew::end() {
  constexpr double kPatience = 5;
  if (std::exchange(stopped_, true)) return;
  for (int64_t rank = 1; rank < ranks(); ++rank)
    transport_->send(rank, simple_message(MessageKind::kStop));
  const double begin = now();
  for (const auto& local : locals_) local->request_stop();
  for (const auto& local : locals_) local->stop();
  while (receive() || !all_said_goodbye()) {
    if (now() - begin > kPatience) {
      log::warn("not all ranks ended; nothing of what they sent is lost");
      transport_->abandon();
      break;
    }
    std::this_thread::sleep_for(kBreath);
  }
}

void Crew::check_unchanged() {
  for (const auto& twin : twins_) {
    for (int64_t model = 0; model < std::ssize(twin->models()); ++model)
      twin->check_unchanged(model);
  }
}

std::vector<Part> Crew::parts() const {
  std::vector<Part> parts;
  for (int64_t device = 0; device < devices(); ++device) {
    const std::string engine = workloads_[static_cast<size_t>(device)]->engine_name();
    parts.push_back({devices() == 1 ? "rank 0" : engine, dealer_.trials_of(device)});
  }
  for (int64_t rank = 1; rank < ranks(); ++rank)
    parts.push_back({"rank " + std::to_string(rank), dealer_.trials_of(worker_of(rank))});
  return parts;
}

}  // namespace flatenn::campaign
