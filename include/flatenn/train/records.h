#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// What a training writes down about itself: run.json and metrics.jsonl (docs/formats.md).
namespace flatenn::train {

/// A number for each layer, in graph order.
using LayerNumbers = std::vector<std::pair<std::string, double>>;

/// One line of metrics.jsonl. Shares and accuracies are in [0, 1].
struct EpochMetrics {
  int64_t epoch = 0;          ///< From 1.
  double learning_rate = 0;   ///< At the epoch's last step.
  double train_loss = 0;      ///< Mean over the epoch's images of the task loss, in training mode.
  double train_accuracy = 0;  ///< Over the same forward passes.
  double test_loss = 0;       ///< On the test or held-out images after the epoch.
  double test_accuracy = 0;
  double sparsity = 0;           ///< Weighted by MACs, on the same images.
  double sparsity_strength = 0;  ///< Factor of the sparsity term, where the epoch ended.
  double images_per_second = 0;  ///< Training images, evaluation not counted.
  double seconds = 0;            ///< Of training in this epoch.
  LayerNumbers code_rms;         ///< Root mean square of the weight codes.
  LayerNumbers weight_scale;     ///< Mean over channels.
  double grad_norm = 0;          ///< L2 norm of the gradient that the last step used.
};

/// metrics.jsonl of one run folder.
class MetricsLog {
 public:
  /// Keeps the first `epochs` lines of an existing file, for a resume; 0 starts anew.
  MetricsLog(std::filesystem::path path, int64_t epochs);
  /// Appends a line; it is on disk when this returns. Throws Error naming the file.
  void append(const EpochMetrics& metrics);

 private:
  std::filesystem::path path_;
};

enum class RunStatus { kRunning, kInterrupted, kDiverged, kFinished };
std::string to_string(RunStatus status);

/// Seconds that the last session of a training spent besides training.
struct SecondsBesides {
  double evaluation = 0;   ///< After epochs.
  double checkpoints = 0;  ///< Writing them.
  double freezing = 0;     ///< Freezing, and measuring the frozen network.
};

/// Result of the frozen network on the whole test split, or on the held-out images.
struct RunResult {
  double accuracy = 0;
  double loss = 0;
  double sparsity = 0;
  LayerNumbers layer_sparsity;
  LayerNumbers code_rms;
  double rho_relative = 0;  ///< rho / ||Q(w)||_2 at the end; 0 where the optimizer has no rho.
  double seconds = 0;       ///< Of training, over all sessions.
  double images_per_second = 0;
  SecondsBesides besides;
  std::vector<std::string> warnings;
};

/// run.json.
struct RunRecord {
  std::string name;
  uint64_t seed = 0;
  std::string started;   ///< ISO 8601, UTC.
  std::string finished;  ///< Empty while it runs.
  struct Dataset {
    std::string name;
    std::string train_hash;
    std::string test_hash;
    int64_t train_images = 0;
    int64_t test_images = 0;
    bool held_out = false;  ///< The "test" images were taken out of the training split.
  } dataset;
  struct RuntimeRecord {
    std::string libtorch;
    std::string isa;
    std::string blas;
    int64_t threads = 0;
    std::string device;
  } runtime;
  std::string warm_start_hash;  ///< Of the weights it started from; empty: a random start.
  RunStatus status = RunStatus::kRunning;
  std::optional<RunResult> result;
};

/// `config` holds every key with the value used. The write is atomic.
void write_run_record(const std::filesystem::path& path, const RunRecord& record,
                      const nlohmann::json& config);

/// The time now as "2024-05-06T07:08:09Z".
std::string utc_now();

}  // namespace flatenn::train
