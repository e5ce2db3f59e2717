#include "flatenn/train/records.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>
#include <sstream>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/version.h"

namespace flatenn::train {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const LayerNumbers& numbers) {
  Json object = Json::object();
  for (const auto& [layer, value] : numbers) object[layer] = value;
  return object;
}

Json to_json(const EpochMetrics& m) {
  return {{"epoch", m.epoch},
          {"learning_rate", m.learning_rate},
          {"train_loss", m.train_loss},
          {"train_accuracy", m.train_accuracy},
          {"test_loss", m.test_loss},
          {"test_accuracy", m.test_accuracy},
          {"sparsity", m.sparsity},
          {"sparsity_strength", m.sparsity_strength},
          {"images_per_second", m.images_per_second},
          {"seconds", m.seconds},
          {"code_rms", to_json(m.code_rms)},
          {"weight_scale", to_json(m.weight_scale)},
          {"grad_norm", m.grad_norm}};
}

Json to_json(const RunResult& r) {
  return {{"accuracy", r.accuracy},
          {"loss", r.loss},
          {"sparsity", r.sparsity},
          {"layer_sparsity", to_json(r.layer_sparsity)},
          {"code_rms", to_json(r.code_rms)},
          {"rho_relative", r.rho_relative},
          {"seconds", r.seconds},
          {"images_per_second", r.images_per_second},
          {"seconds_evaluation", r.besides.evaluation},
          {"seconds_checkpoints", r.besides.checkpoints},
          {"seconds_freezing", r.besides.freezing},
          {"warnings", r.warnings}};
}

Json to_json(const RunRecord::Dataset& d) {
  return {{"name", d.name},
          {"train_hash", d.train_hash},
          {"test_hash", d.test_hash},
          {"train_images", d.train_images},
          {"test_images", d.test_images},
          {"held_out", d.held_out}};
}

Json to_json(const RunRecord::RuntimeRecord& r) {
  return {{"libtorch", r.libtorch},
          {"isa", r.isa},
          {"blas", r.blas},
          {"threads", r.threads},
          {"device", r.device}};
}

std::string first_lines(const std::string& text, int64_t count) {
  size_t end = 0;
  for (int64_t line = 0; line < count; ++line) {
    const size_t newline = text.find('\n', end);
    if (newline == std::string::npos) break;
    end = newline + 1;
  }
  return text.substr(0, end);
}

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

}  // namespace

MetricsLog::MetricsLog(std::filesystem::path path, int64_t epochs) : path_(std::move(path)) {
  const bool keep = epochs > 0 && std::filesystem::exists(path_);
  write_file_atomically(path_, keep ? first_lines(read_file(path_), epochs) : std::string());
}

void MetricsLog::append(const EpochMetrics& metrics) {
  const std::string line = to_json(metrics).dump() + "\n";
  const Descriptor file(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT, 0644));
  const bool written =
      file.get() >= 0 &&
      ::write(file.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
      ::fsync(file.get()) == 0;
  FLATENN_CHECK(written, path_.string(), ": cannot be written: ", std::strerror(errno));
}

std::string to_string(RunStatus status) {
  switch (status) {
    case RunStatus::kRunning:
      return "running";
    case RunStatus::kInterrupted:
      return "interrupted";
    case RunStatus::kDiverged:
      return "diverged";
    case RunStatus::kFinished:
      break;
  }
  return "finished";
}

void write_run_record(const std::filesystem::path& path, const RunRecord& record,
                      const nlohmann::json& config) {
  Json json = {{"flatenn", version()},
               {"name", record.name},
               {"seed", record.seed},
               {"started", record.started},
               {"finished", record.finished.empty() ? Json() : Json(record.finished)},
               {"status", to_string(record.status)},
               {"dataset", to_json(record.dataset)},
               {"config", Json(config)},
               {"runtime", to_json(record.runtime)},
               {"warm_start_hash", record.warm_start_hash},
               {"result", record.result ? to_json(*record.result) : Json()}};
  write_file_atomically(path, json.dump(2) + "\n");
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace flatenn::train
