#include "flatenn/campaign/serve.h"

#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "campaign/batch_runner.h"
#include "campaign/crew_messages.h"
#include "campaign/prepare.h"
#include "campaign/settings.h"
#include "campaign/workload.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/log.h"
#include "flatenn/base/version.h"
#include "flatenn/interop/model.h"
#include "store/process.h"

namespace flatenn::campaign {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;
constexpr auto kPause = std::chrono::microseconds(500);

/// Rank 0 is gone, or cannot be told from one that is.
class LeaderLost : public Error {
 public:
  using Error::Error;
};

/// Watches for news of rank 0.
class LeaderWatch {
 public:
  explicit LeaderWatch(double patience_s) : patience_s_(patience_s) {}
  void heard() { last_ = Clock::now(); }
  /// Throws LeaderLost where it has been silent for too long since it was first heard.
  void check() const {
    if (!last_) return;
    const std::chrono::duration<double> silence = Clock::now() - *last_;
    if (silence.count() > patience_s_) {
      throw LeaderLost(detail::concat("rank 0 has been silent for ", patience_s_,
                                      " s; what it stored is kept, the same command goes on"));
    }
  }

 private:
  double patience_s_;
  std::optional<Clock::time_point> last_;
};

/// A file in memory that readers of files can open.
class MemoryFile {
 public:
  explicit MemoryFile(const std::string& bytes) : handle_(::memfd_create("flatenn model", 0)) {
    FLATENN_CHECK(handle_ >= 0, "crew: no memory for a model");
    for (size_t at = 0; at < bytes.size();) {
      const ssize_t wrote = ::write(handle_, bytes.data() + at, bytes.size() - at);
      FLATENN_CHECK(wrote > 0, "crew: no memory for a model");
      at += static_cast<size_t>(wrote);
    }
  }
  ~MemoryFile() { ::close(handle_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(handle_); }

 private:
  int handle_;
};

net::Network read_one(const std::string& bytes, const std::filesystem::path& path) {
  try {
    return interop::read_model(MemoryFile(bytes).path());
  } catch (const Error&) {
    return interop::read_model(path);  // finds what lies beside it, or says what is wrong
  }
}

/// One rank's part in a run.
class Server {
 public:
  Server(Transport& transport, ServedPlan served, LeaderWatch& leader)
      : transport_(transport),
        leader_(leader),
        options_(std::move(served.options)),
        workload_(served.plan, workload_options(options_)),
        runner_(workload_, options_.verify_share) {
    workload_.check_images();
  }

  /// Until rank 0 says that there is nothing more.
  void run() {
    for (;;) {
      const std::optional<Transport::Message> message = transport_.receive();
      if (!message) {
        leader_.check();
        if (options_.stop_requested && options_.stop_requested()) return;
        std::this_thread::sleep_for(kPause);
        continue;
      }
      leader_.heard();
      switch (kind_of(message->bytes)) {
        case MessageKind::kPing:
          transport_.send(0, simple_message(MessageKind::kPong));
          break;
        case MessageKind::kStart:
          begin(read_json(message->bytes));
          break;
        case MessageKind::kBatch:
          run_batch(read_batch(message->bytes));
          break;
        case MessageKind::kStop:
          end();
          return;
        default:
          throw Error("crew: rank 0 sent an unknown message");
      }
    }
  }
  bool computes_wrongly() const { return computes_wrongly_; }

 private:
  /// Whether this rank means the same by the plan, and computes the same.
  void begin(const json& start) {
    const auto settings = json::parse(start.at("settings").get<std::string>());
    const json mine = plan_settings(workload_);
    FLATENN_CHECK(mine == settings, "its plan means something else than rank 0's: ",
                  describe_difference(settings, mine), " here");
    use_pilot(workload_, start.at("pilot").get<std::string>());
    workload_.run_goldens();
    computes_wrongly_ = true;
    for (size_t i = 0; i < workload_.subjects().size(); ++i) {
      const Subject& subject = workload_.subjects()[i];
      const json& golden = start.at("goldens").at(i);
      FLATENN_CHECK(golden.at("correct") == subject.golden->correct &&
                        golden.at("loss").get<double>() == subject.golden->loss,
                    "its fault-free pass of network ", subject.hash.substr(0, 12),
                    " differs from rank 0's: correct ", subject.golden->correct, " and ",
                    golden.at("correct").get<int64_t>(), "; one of the machines computes wrongly");
    }
    computes_wrongly_ = false;
    transport_.send(0, json_message(MessageKind::kReady, {{"host", store::host_name()},
                                                          {"space", store::process_space()},
                                                          {"pid", store::process_id()},
                                                          {"engine", workload_.engine_name()},
                                                          {"threads", options_.engine.threads},
                                                          {"version", version()}}));
  }

  void run_batch(const BatchMessage& batch) {
    const auto start = Clock::now();
    RowsMessage message{.batch = batch.batch, .rows = runner_.run(batch.keys)};
    computes_wrongly_ = true;
    message.verified = runner_.verify(message.rows);
    computes_wrongly_ = false;
    message.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    transport_.send(0, rows_message(message));
  }

  void end() {
    computes_wrongly_ = true;
    for (int64_t model = 0; model < std::ssize(workload_.models()); ++model)
      workload_.check_unchanged(model);
    computes_wrongly_ = false;
  }

  Transport& transport_;
  LeaderWatch& leader_;
  CampaignOptions options_;
  Workload workload_;
  BatchRunner runner_;
  bool computes_wrongly_ = false;  ///< What is thrown now says that numbers differ.
};

void wait_for_stop(Transport& transport, LeaderWatch& leader) {
  for (;;) {
    const auto message = transport.receive();
    if (message && kind_of(message->bytes) == MessageKind::kStop) return;
    if (message) {
      leader.heard();
      continue;
    }
    leader.check();
    std::this_thread::sleep_for(10 * kPause);
  }
}

/// Nobody may be there to say goodbye to.
void leave(Transport& transport, const LeaderLost& error) {
  log::warn(error.what());
  transport.abandon();
}

}  // namespace

void send_crew_files(Transport& transport, const std::string& plan_text, const Plan& plan) {
  json models = json::array();
  for (const std::filesystem::path& path : plan.models) {
    const bool folder = std::filesystem::is_directory(path);
    const std::string bytes = read_file(folder ? path / "model.onnx" : path);
    models.push_back(json::binary(json::binary_t::container_type(bytes.begin(), bytes.end())));
  }
  const json all = {
      {"version", version()},
      {"plan", json::binary(json::binary_t::container_type(plan_text.begin(), plan_text.end()))},
      {"models", std::move(models)}};
  std::string bytes;
  json::to_cbor(all, bytes);
  transport.broadcast(bytes);
}

void send_no_crew_files(Transport& transport) {
  std::string nothing;
  transport.broadcast(nothing);
}

void dismiss_ranks(Transport& transport) {
  for (int64_t rank = 1; rank < transport.size(); ++rank)
    transport.send(rank, simple_message(MessageKind::kStop));
}

std::optional<CrewFiles> receive_crew_files(Transport& transport) {
  std::string bytes;
  transport.broadcast(bytes);
  if (bytes.empty()) return std::nullopt;
  const json all = json::from_cbor(bytes);
  const auto text_of = [](const json& value) {
    const auto& binary = value.get_binary();
    return std::string(binary.begin(), binary.end());
  };
  CrewFiles files{.version = all.at("version").get<std::string>(), .plan = text_of(all.at("plan"))};
  for (const json& model : all.at("models")) files.models.push_back(text_of(model));
  return files;
}

std::vector<std::shared_ptr<const net::Network>> crew_networks(const CrewFiles& files,
                                                               const Plan& plan) {
  FLATENN_CHECK(files.version == version(), "is flatenn ", version(), ", rank 0 is ", files.version,
                "; run one version on all machines");
  FLATENN_CHECK(files.models.size() == plan.models.size(), "its plan has ", plan.models.size(),
                " models, rank 0's ", files.models.size());
  std::vector<std::shared_ptr<const net::Network>> networks;
  for (size_t i = 0; i < plan.models.size(); ++i)
    networks.push_back(std::make_shared<net::Network>(read_one(files.models[i], plan.models[i])));
  return networks;
}

std::string refusal(const std::string& reason) {
  return json_message(
      MessageKind::kFailed,
      {{"host", store::host_name()}, {"reason", reason}, {"computes_wrongly", false}});
}

char stop_byte() { return static_cast<char>(MessageKind::kStop); }

void serve_campaign(Transport& transport, const std::function<ServedPlan()>& prepare,
                    double patience_s) {
  LeaderWatch leader(patience_s);
  std::optional<Server> server;
  try {
    try {
      server.emplace(transport, prepare(), leader);
      server->run();
    } catch (const LeaderLost&) {
      throw;
    } catch (const std::exception& error) {
      const bool wrong = server && server->computes_wrongly();
      transport.send(0, json_message(MessageKind::kFailed, {{"host", store::host_name()},
                                                            {"reason", error.what()},
                                                            {"computes_wrongly", wrong}}));
      wait_for_stop(transport, leader);
      return;
    }
  } catch (const LeaderLost& error) {
    leave(transport, error);
    return;
  }
  transport.send(0, simple_message(MessageKind::kBye));
}

}  // namespace flatenn::campaign
