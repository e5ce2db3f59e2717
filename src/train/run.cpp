#include "flatenn/train/run.h"

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/log.h"
#include "flatenn/base/progress.h"
#include "flatenn/data/catalogue.h"
#include "flatenn/interop/onnx.h"
#include "flatenn/net/content_hash.h"
#include "flatenn/nn/runtime.h"
#include "flatenn/train/checkpoint.h"
#include "flatenn/train/float_weights.h"
#include "train/checkpoint_file.h"
#include "train/code_range.h"
#include "train/device.h"
#include "train/evaluate.h"
#include "train/freeze_run.h"
#include "train/loop.h"
#include "train/result_warnings.h"
#include "train/resume.h"
#include "train/run_data.h"
#include "train/state_archive.h"
#include "train/training_faults.h"
#include "train/workers.h"

namespace flatenn::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

LayerNumbers numbers_in_order(const nn::ModelImpl& model,
                              const std::map<std::string, double>& numbers) {
  LayerNumbers ordered;
  for (const auto& layer : model.layers()) {
    const auto found = numbers.find(layer->spec().name);
    if (found != numbers.end()) ordered.emplace_back(*found);
  }
  return ordered;
}

/// One call of run_training().
class Session {
 public:
  Session(Config config, const TrainRequest& request)
      : config_(read_train_config(config,
                                  request.network ? Structure::kGiven : Structure::kConfigured)),
        resolved_(config.resolved()),
        request_(request),
        devices_(open_devices(request.device)),
        runtime_(nn::set_up_runtime(config_.threads)) {
    if (config_.name.empty()) config_.name = folder_name();
    config_.model.network = request.network;
  }

  TrainOutcome run() {
    check_folder();
    check_inputs();
    check_data();
    make_folder();
    load_data();
    if (request_.network) {
      check_images(*request_.network, *data_);
      keep_network();
    }
    config_.model = model_options_for(config_, data_->train);
    train::steps_per_epoch(config_, data_->train.count);
    start_record();
    for (;;) {
      try {
        return attempt();
      } catch (const c10::OutOfMemoryError&) {
        reduce_memory();
      } catch (const c10::Error& error) {
        device_failed(error);
      }
    }
  }

 private:
  TrainOutcome attempt() {
    use_device(device());
    if (!evaluator_) evaluator_.emplace(data_->test, device());
    resuming() ? resume() : start();
    record_.status = RunStatus::kRunning;
    write_record();
    try {
      if (!train()) return interrupted();
    } catch (const Diverged& error) {
      diverged(error);
    }
    return finish();
  }

  /// Makes the next attempt go on from the checkpoint with smaller parts of a batch.
  void reduce_memory() {
    workers_.reset();
    model_ = nn::Model(nullptr);
    const int64_t parts = more_parts(config_.batch_size, config_.accumulate);
    FLATENN_CHECK(parts > 0, request_.out.string(),
                  ": the device's memory does not suffice, even with ",
                  config_.batch_size / config_.accumulate,
                  " images at a time; choose a smaller train.batch_size or network");
    config_.accumulate = parts;
    log::warn(memory_warning());
    release_cached_memory();
  }

  std::string memory_warning() const {
    return detail::concat("the device's memory did not suffice: gradients of a batch of ",
                          config_.batch_size, " are computed in ", config_.accumulate,
                          " parts, and batch norm sees ", config_.batch_size / config_.accumulate,
                          " images (train.accumulate = ", config_.accumulate, ")");
  }

  /// A failure that is not the training's own; a CPU's would be flatenn's.
  [[noreturn]] void device_failed(const c10::Error& error) {
    if (device().is_cpu()) throw;
    record_.status = RunStatus::kInterrupted;
    record_.finished = utc_now();
    write_record();
    throw Error(detail::concat(
        request_.out.string(), ": ", explain_device_failure(error.what_without_backtrace()), "; ",
        file("checkpoint.pt").string(), " keeps the state before, --resume goes on from there"));
  }

  std::filesystem::path file(const char* name) const { return request_.out / name; }
  bool resuming() const {
    return (request_.resume || saved_) && std::filesystem::exists(file("checkpoint.pt"));
  }

  std::string folder_name() const {
    return std::filesystem::absolute(request_.out / "x").parent_path().filename().string();
  }

  void make_folder() const {
    std::error_code error;
    std::filesystem::create_directories(request_.out, error);
    FLATENN_CHECK(!error, request_.out.string(), ": cannot be made: ", error.message());
  }

  void check_folder() const {
    FLATENN_CHECK(request_.resume || !std::filesystem::exists(file("checkpoint.pt")),
                  request_.out.string(),
                  ": holds a training already; add --resume to go on with it, or choose another "
                  "--out");
  }

  /// Beside the checkpoint, which holds no structure.
  void keep_network() {
    const std::filesystem::path path = file(kGivenNetworkFile);
    if (!std::filesystem::exists(file("checkpoint.pt"))) {
      interop::write_onnx(*request_.network, path);
      return;
    }
    FLATENN_CHECK(
        net::content_hash(interop::read_onnx(path)) == net::content_hash(*request_.network),
        path.string(), ": this training was begun from another network than ",
        request_.network->name, "; choose another --out");
  }

  /// Names what is not there before a folder is made.
  void check_data() const {
    if (!request_.data)
      data::check_is_there(config_.data.name, data::resolve_data_root(request_.data_root));
  }

  /// Names what does not fit the network before images are read, where the data set's shape is
  /// known by then: own data says it in its files.
  void check_inputs() {
    if (request_.data || !data::is_known_data(config_.data.name)) return;
    const data::DataSet& set = data::find_data_set(config_.data.name);
    if (request_.network) return check_shape(*request_.network, set);
    const bool given = !warm_start_source().empty() || !config_.robustness.defects.empty();
    if (!given || resuming()) return;
    nn::Model model(model_options_for(config_, set));
    warm_start(*model);
    const TrainingFaults faults(model, config_, /*steps_per_epoch=*/1);
  }

  std::string warm_start_source() const { return config_.warm_start + config_.warm_start_weights; }

  /// Gives the model the weights that the training starts from, if any.
  void warm_start(nn::ModelImpl& model) {
    if (warm_start_source().empty()) return;
    if (warm_state_.empty()) {
      warm_state_ =
          config_.warm_start.empty()
              ? read_float_weights(model, config_.warm_start_weights, config_.warm_start_partial)
              : load_run_state(config_.warm_start);
    }
    nn::warm_start(model, warm_state_);
  }

  void load_data() {
    data_ = request_.data;
    if (data_) return;
    data_ = std::make_shared<const RunData>(
        load_run_data(config_.data, data::resolve_data_root(request_.data_root),
                      {.stop_requested = request_.stop_requested}));
  }

  /// The first, which does what is not training.
  torch::Device device() const { return devices_.front(); }
  Trainer& trainer() const { return workers_->first(); }

  /// Of whole batches, one on each device.
  std::vector<std::unique_ptr<BatchSource>> make_batches() const {
    std::vector<std::unique_ptr<BatchSource>> batches;
    for (const torch::Device device : devices_) {
      batches.push_back(make_batch_source(
          data_->train,
          {.batch_size = config_.batch_size, .seed = config_.seed, .augment = config_.augment},
          device));
    }
    return batches;
  }

  void start_record() {
    record_ = {.name = config_.name, .seed = config_.seed, .started = utc_now()};
    record_.dataset = describe(*data_, config_.data);
    record_.runtime = {runtime_.libtorch, runtime_.isa, runtime_.blas, runtime_.threads,
                       request_.device};
    wanted_parts_ = config_.accumulate;
  }

  void write_record() { write_run_record(file("run.json"), record_, resolved_); }

  /// With a copy of the model on each further device.
  void make_workers(std::vector<std::unique_ptr<BatchSource>> batches) {
    std::vector<nn::Model> models = {model_};
    while (models.size() < devices_.size()) {
      nn::Model copy(config_.model);
      move(copy, devices_[models.size()]);
      load_state(*copy, nn::named_state(*model_));
      models.push_back(copy);
    }
    workers_ =
        std::make_unique<Workers>(config_, models, std::move(batches), devices_,
                                  devices_.size() > 1 ? make_collectives(devices_)
                                                      : std::vector<std::unique_ptr<Collective>>());
  }

  void move(nn::Model& model, torch::Device device) const {
    model->to(device);
    if (!device.is_cuda()) return;
    at::globalContext().setDeterministicCuDNN(request_.deterministic);
    at::globalContext().setBenchmarkCuDNN(false);
    model->use_channels_last();
    // Codes of 8 bits with a zero point need 9, which bfloat16 has not.
    if (!config_.model.network) model->set_compute_type(torch::kBFloat16);
  }

  void start() {
    model_ = nn::Model(config_.model);
    if (const std::string source = warm_start_source(); !source.empty()) {
      warm_start(*model_);
      record_.warm_start_hash = hash_of_state(warm_state_);
      warm_state_.clear();
      log::info("starts from the weights of ", source);
    }
    move(model_, device());
    std::vector<std::unique_ptr<BatchSource>> batches = make_batches();
    if (config_.model.quant.enabled) {
      batches.front()->start_epoch(0);
      model_->calibrate(batches.front()->batch(0).images);
      warn_of_code_ranges();
    }
    make_workers(std::move(batches));
    metrics_.emplace(file("metrics.jsonl"), 0);
    save();
  }

  /// Before the first step where no training will change it: a tied scale follows the weights.
  void warn_of_code_ranges() const {
    if (config_.model.quant.quantizer != nn::WeightQuantizerKind::kTied) return;
    for (const std::string& warning : code_range_warnings(*model_)) log::warn(warning);
  }

  void resume() {
    torch::serialize::InputArchive archive;
    const CheckpointHeader header = read_checkpoint(file("checkpoint.pt"), archive);
    const std::string difference =
        config_difference(nlohmann::json::parse(header.config), resolved_);
    FLATENN_CHECK(difference.empty(), file("checkpoint.pt").string(),
                  ": was trained with another configuration: ", difference);
    FLATENN_CHECK(header.train_hash == data_->train.content_hash, file("checkpoint.pt").string(),
                  ": was trained on other images than data.name = ", config_.data.name,
                  " gives now");
    say_epochs(nlohmann::json::parse(header.config));
    warn_if_runtime_differs(header, runtime_, request_.device);
    model_ = nn::Model(config_.model);
    move(model_, device());
    make_workers(make_batches());
    workers_->load(archive);
    record_.started = header.started;
    record_.warm_start_hash = warm_start_hash_in(file("run.json"));
    seconds_ = header.seconds;
    epoch_seconds_ = header.epoch_seconds;
    const int64_t epochs = trainer().position() / trainer().steps_per_epoch();
    if (epochs > 0 && !std::filesystem::exists(file("metrics.jsonl"))) {
      log::warn(file("metrics.jsonl").string(), " is missing: it will begin after epoch ", epochs);
    }
    metrics_.emplace(file("metrics.jsonl"), epochs);
    FLATENN_CHECK(trainer().position() <= trainer().total_steps(),
                  "train.epochs: ", file("checkpoint.pt").string(), " has done ",
                  trainer().position() / trainer().steps_per_epoch(),
                  " epochs already, expected at ", "least as many, got ", config_.epochs);
    log::info("resumes after step ", trainer().position(), " of ", trainer().total_steps());
  }

  /// A training may go on for longer, or end sooner, than it was begun for.
  void say_epochs(const nlohmann::json& before) const {
    const int64_t planned = before.at("train").at("epochs");
    if (planned == config_.epochs) return;
    log::info("train.epochs: ", planned, " before, ", config_.epochs,
              " now: the learning rate goes on where a schedule of ", config_.epochs,
              " epochs has it");
  }

  /// Writing takes at most a twentieth of the time, apart from the writes that are needed.
  bool save_is_due() const {
    return trainer().finished() || seconds_since(last_save_) >= 20 * save_seconds_;
  }

  void save() {
    const auto start = Clock::now();
    trainer().check_finite();
    write_checkpoint(file("checkpoint.pt"),
                     {.config = resolved_.dump(),
                      .model = config_.model,
                      .runtime = runtime_,
                      .device = request_.device,
                      .train_hash = data_->train.content_hash,
                      .started = record_.started,
                      .seconds = seconds_,
                      .epoch_seconds = epoch_seconds_},
                     trainer());
    saved_ = true;
    last_save_ = Clock::now();
    save_seconds_ = seconds_since(start);
    besides_.checkpoints += save_seconds_;
  }

  /// False where it was asked to stop.
  bool train() {
    Progress progress({.title = config_.name,
                       .total = trainer().total_steps() * config_.batch_size,
                       .unit = "images",
                       .done_before = trainer().position() * config_.batch_size,
                       .quiet = request_.quiet});
    while (!trainer().finished()) {
      const auto start = Clock::now();
      workers_->step();
      // A GPU is waited for where time is taken: what is in flight belongs to this epoch.
      if (trainer().at_epoch_end()) trainer().check_finite();
      const double seconds = seconds_since(start);
      seconds_ += seconds;
      epoch_seconds_ += seconds;
      show(progress);
      progress.advance(config_.batch_size);
      if (request_.on_images) request_.on_images(config_.batch_size);
      if (trainer().at_epoch_end()) end_epoch();
      if (request_.stop_requested && request_.stop_requested() && !trainer().finished()) {
        save();
        return false;
      }
    }
    return true;
  }

  void show(Progress& progress) {
    const int64_t step = trainer().position();
    // Reading the totals waits for a GPU.
    if (!device().is_cpu() && step % 50 != 0) return;
    const Trainer::Totals totals = trainer().totals();
    char text[160];
    const int64_t per_epoch = trainer().steps_per_epoch();
    int used = std::snprintf(text, sizeof text, "epoch %ld/%ld loss %.3f accuracy %.1f %%",
                             (step - 1) / per_epoch + 1, config_.epochs, totals.loss,
                             100 * totals.accuracy);
    if (last_metrics_) {
      std::snprintf(text + used, sizeof text - static_cast<size_t>(used),
                    "; %s %.2f %%, zeros %.1f %%", config_.data.hold_out > 0 ? "held out" : "test",
                    100 * last_metrics_->test_accuracy, 100 * last_metrics_->sparsity);
    }
    progress.set_text(text);
  }

  ModelEvaluation evaluate() {
    const auto start = Clock::now();
    ModelEvaluation evaluation = evaluator_->run(model_);
    besides_.evaluation += seconds_since(start);
    return evaluation;
  }

  void end_epoch() {
    trainer().check_finite();
    const Trainer::Totals totals = trainer().totals();
    trainer().swap_averages();
    const ModelEvaluation evaluation = evaluate();
    const auto images = static_cast<double>(trainer().steps_per_epoch() * config_.batch_size);
    last_metrics_ =
        EpochMetrics{.epoch = trainer().position() / trainer().steps_per_epoch(),
                     .learning_rate = trainer().learning_rate(),
                     .train_loss = totals.loss,
                     .train_accuracy = totals.accuracy,
                     .test_loss = evaluation.loss,
                     .test_accuracy = evaluation.accuracy,
                     .sparsity = evaluation.sparsity.network,
                     .sparsity_strength = trainer().sparsity_strength(),
                     .images_per_second = images / epoch_seconds_,
                     .seconds = epoch_seconds_,
                     .code_rms = numbers_in_order(*model_, nn::code_rms(*model_)),
                     .weight_scale = numbers_in_order(*model_, nn::weight_scales(*model_)),
                     .grad_norm = trainer().grad_norm()};
    trainer().swap_averages();
    metrics_->append(*last_metrics_);
    workers_->reset_totals();
    epoch_seconds_ = 0;
    if (save_is_due()) save();
  }

  TrainOutcome interrupted() {
    record_.status = RunStatus::kInterrupted;
    record_.finished = utc_now();
    write_record();
    return {.status = RunStatus::kInterrupted};
  }

  [[noreturn]] void diverged(const Diverged& error) {
    record_.status = RunStatus::kDiverged;
    record_.finished = utc_now();
    write_record();
    throw Error(detail::concat(request_.out.string(), ": ", error.what(), "; ",
                               file("checkpoint.pt").string(),
                               " keeps the state before, for use as warm_start.run"));
  }

  RunResult float_result() {
    const ModelEvaluation evaluation = evaluate();
    RunResult result{.accuracy = evaluation.accuracy,
                     .loss = evaluation.loss,
                     .sparsity = evaluation.sparsity.network};
    result.layer_sparsity = numbers_in_order(*model_, evaluation.sparsity.layers);
    return result;
  }

  void add_training_figures(RunResult& result) {
    result.rho_relative = trainer().rho_relative();
    result.seconds = seconds_;
    result.besides = besides_;
    result.images_per_second =
        static_cast<double>(trainer().total_steps() * config_.batch_size) / seconds_;
    if (config_.accumulate != wanted_parts_) result.warnings.push_back(memory_warning());
    warn_of_result(config_, result);
  }

  TrainOutcome finish() {
    const auto start = Clock::now();
    trainer().swap_averages();
    record_.result = config_.model.quant.enabled
                         ? freeze_run(*model_, config_, data_->test, file("model.onnx"))
                         : float_result();
    trainer().swap_averages();
    besides_.freezing = seconds_since(start);
    add_training_figures(*record_.result);
    for (const std::string& warning : record_.result->warnings) log::warn(warning);
    record_.status = RunStatus::kFinished;
    record_.finished = utc_now();
    write_record();
    return {.status = RunStatus::kFinished, .result = record_.result};
  }

  TrainConfig config_;
  nlohmann::json resolved_;
  TrainRequest request_;
  std::vector<torch::Device> devices_;
  nn::Runtime runtime_;
  std::shared_ptr<const RunData> data_;
  std::optional<Evaluator> evaluator_;
  nn::Model model_{nullptr};
  std::unique_ptr<Workers> workers_;
  std::optional<MetricsLog> metrics_;
  std::optional<EpochMetrics> last_metrics_;
  std::map<std::string, torch::Tensor> warm_state_;  ///< Between being read and being used.
  RunRecord record_;
  double seconds_ = 0;
  double epoch_seconds_ = 0;
  bool saved_ = false;  ///< A checkpoint is this session's.
  Clock::time_point last_save_;
  double save_seconds_ = 0;  ///< That the last one took.
  SecondsBesides besides_;
  int64_t wanted_parts_ = 1;  ///< train.accumulate as configured.
};

}  // namespace

TrainOutcome run_training(Config config, const TrainRequest& request) {
  return Session(std::move(config), request).run();
}

}  // namespace flatenn::train
