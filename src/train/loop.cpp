#include "train/loop.h"

#include <cmath>

#include "train/state_archive.h"
#include "train/weight_range.h"

namespace flatenn::train {
namespace {

/// A look at the loss waits for a GPU, so it is rare there; on the CPU it costs nothing.
constexpr int64_t kStepsBetweenLooksOnDevice = 50;

SharpnessOptions plain_steps(const SharpnessOptions& options) {
  SharpnessOptions plain = options;
  plain.method = SharpnessMethod::kSgd;
  return plain;
}

double value_of(const torch::Tensor& scalar) {
  return scalar.defined() ? scalar.to(torch::kFloat64).item<double>() : 0.0;
}

/// A loss for people: not a number has a sign bit, which "-nan" would show.
std::string loss_text(double loss) { return std::isnan(loss) ? "nan" : detail::concat(loss); }

std::string advice(const TrainConfig& config) {
  const SharpnessOptions& sharpness = config.sharpness;
  const bool sharp = sharpness.method != SharpnessMethod::kSgd;
  const bool relative = sharpness.rho_relative.has_value();
  return detail::concat(
      "try a smaller optimizer.learning_rate (", config.optimizer.learning_rate,
      " now), more schedule.warmup_epochs (", config.schedule.warmup_epochs, ")",
      sharp ? detail::concat(" or a smaller sharpness.rho", relative ? "_relative (" : " (",
                             sharpness.rho_relative.value_or(sharpness.rho), ")")
            : "");
}

}  // namespace

Trainer::Trainer(const TrainConfig& config, nn::Model model, BatchSource& batches,
                 torch::Device device, Member member)
    : config_(config),
      model_(std::move(model)),
      batches_(batches),
      device_(device),
      member_(member),
      optimizer_(make_optimizer(*model_, config.optimizer)),
      plain_(model_, *optimizer_, plain_steps(config.sharpness)),
      sharpness_(model_, *optimizer_, config.sharpness),
      objective_(model_, config, device),
      faults_(model_, config, steps_per_epoch()) {
  if (config.sparsity.target > 0) {
    controller_.emplace(nn::SparsityControllerOptions{.target = config.sparsity.target,
                                                      .initial_strength = config.sparsity.strength,
                                                      .gain = config.sparsity.gain});
  }
  if (config.ema > 0) averages_.emplace(model_, config.ema);
  if (config.robustness.activation_noise > 0)
    noise_.emplace(model_, config.robustness.activation_noise, config.seed,
                   config.batch_size / config.accumulate, member.index);
  model_->train();
}

bool Trainer::sharp_step() const {
  const double start = config_.sharpness_from_epoch * static_cast<double>(steps_per_epoch());
  return static_cast<double>(position_) >= start && position_ % config_.sharpness_every == 0;
}

torch::Tensor Trainer::run_pass(const Batch& batch, Pass pass, bool part) {
  const FaultyWeights faulty = faults_.in_pass(pass);
  if (noise_) noise_->start_pass();
  const int64_t images = part ? config_.ascent_images() : config_.batch_size;
  const torch::Tensor loss =
      objective_.run({batch.images.narrow(0, 0, images), batch.labels.narrow(0, 0, images)}, pass,
                     static_cast<double>(config_.batch_size) / static_cast<double>(images));
  return member_.group == nullptr ? loss : agree(loss, pass);
}

/// Whether this pass only finds where a worker climbs by itself.
bool Trainer::perturbs_alone(Pass pass) const {
  return config_.sharpness_per_device && pass == Pass::kFirst && sharp_step() &&
         config_.sharpness.method != SharpnessMethod::kSgd;
}

/// Gradients, loss, counts and running statistics become the means over the group.
torch::Tensor Trainer::agree(const torch::Tensor& loss, Pass pass) {
  const torch::NoGradGuard no_grad;
  torch::Tensor mean_loss = loss.to(torch::kFloat32, /*non_blocking=*/false, /*copy=*/true);
  std::vector<torch::Tensor> shared = {mean_loss};
  const auto add_grad = [&](const torch::Tensor& value) {
    if (value.defined() && value.grad().defined()) shared.push_back(value.grad());
  };
  if (!perturbs_alone(pass)) {
    for (const RoleParameter& parameter : optimizer_->parameters()) add_grad(parameter.value);
    if (pass == Pass::kFirst)
      for (const auto& layer : model_->layers()) add_grad(layer->perturbation);
  }
  if (pass == Pass::kFirst) {
    shared.push_back(objective_.totals());
    for (const auto& layer : model_->layers()) {
      if (!layer->running_mean.defined()) continue;
      shared.push_back(layer->running_mean);
      shared.push_back(layer->running_var);
    }
  }
  member_.group->mean(shared);
  return mean_loss;
}

StepResult Trainer::compute(SharpnessStepper& stepper, const Batch& batch, double faulty_share) {
  const bool two_passes = stepper.options().method != SharpnessMethod::kSgd;
  const bool part_first = two_passes && config_.ascent_images() < config_.batch_size;
  const StepResult result = stepper.step(
      [&](Pass pass) { return run_pass(batch, pass, part_first && pass == Pass::kFirst); },
      faulty_share);
  if (config_.robustness.weights.limit > 0) clip_weights(*model_, config_.robustness.weights.limit);
  if (averages_) averages_->update();
  return result;
}

void Trainer::step() {
  FLATENN_ASSERT(!finished(), "a step after the last one");
  const int64_t epoch = position_ / steps_per_epoch();
  if (epoch != started_epoch_) {
    batches_.start_epoch(epoch);
    started_epoch_ = epoch;
  }
  optimizer_->set_learning_rate(
      learning_rate_at(config_.schedule, position_, total_steps(), steps_per_epoch()));
  const Batch batch = batches_.batch(position_ % steps_per_epoch());
  const bool sharp = sharp_step();
  SharpnessStepper& stepper = sharp ? sharpness_ : plain_;
  const bool steer = controller_ && (position_ + 1) % config_.sparsity.update_every == 0;
  if (steer) objective_.measure_next();
  const double faulty_share = faults_.start_step(position_);
  if (noise_) noise_->start_step(position_);
  const auto run = [&] { return compute(stepper, batch, faulty_share); };
  const bool record = device_.is_cuda() && optimizer_->recordable();
  const int kind = (sharp ? 1 : 0) + (steer ? 2 : 0) + (faulty_share > 0 ? 4 : 0);
  // Recording gives memory back, which waits for all GPUs; a replay waits for the other workers.
  const auto meet = [&] {
    if (member_.group != nullptr) member_.group->meet();
  };
  StepResult result = record ? steps_.run(kind, run, meet) : run();
  if (!sharp && last_.rho_relative.defined()) result.rho_relative = last_.rho_relative;
  last_ = result;
  ++position_;
  if (device_.is_cpu() || position_ % kStepsBetweenLooksOnDevice == 0) check_finite();
  if (steer) steer_sparsity();
}

void Trainer::steer_sparsity() {
  double sparsity = objective_.take_sparsity();
  if (member_.group != nullptr) {
    const torch::Tensor shared =
        torch::full({1}, sparsity, torch::dtype(torch::kFloat64).device(device_));
    member_.group->mean({shared});
    sparsity = value_of(shared);
  }
  controller_->update(sparsity);
  objective_.set_strength(controller_->strength());
}

void Trainer::check_finite() const {
  const double loss = value_of(last_.loss);
  if (std::isfinite(loss)) return;
  const int64_t step = position_ - 1;
  throw Diverged(detail::concat("training diverged: the loss is ", loss_text(loss), " in epoch ",
                                step / steps_per_epoch() + 1, ", step ",
                                step % steps_per_epoch() + 1, " of ", steps_per_epoch(), "; ",
                                advice(config_)));
}

Trainer::Totals Trainer::totals() const {
  const int64_t done = (position_ - 1) % steps_per_epoch() + 1;
  const auto images = static_cast<double>(done * config_.batch_size);
  const torch::Tensor sums = objective_.totals().cpu();
  return {.loss = sums[0].item<double>() / images, .accuracy = sums[1].item<double>() / images};
}

double Trainer::learning_rate() const { return optimizer_->learning_rate(); }
double Trainer::sparsity_strength() const {
  if (controller_) return controller_->strength();
  return config_.sparsity.penalty == nn::SparsityPenalty::kNone ? 0 : config_.sparsity.strength;
}
double Trainer::grad_norm() const { return value_of(last_.grad_norm); }
double Trainer::rho_relative() const { return value_of(last_.rho_relative); }

void Trainer::swap_averages() {
  if (averages_) averages_->swap();
}

NamedTensors Trainer::last_scalars() const {
  return {
      {"loss", last_.loss}, {"grad_norm", last_.grad_norm}, {"rho_relative", last_.rho_relative}};
}

void Trainer::save(torch::serialize::OutputArchive& archive) const {
  write_state(archive, "model", nn::named_state(*model_));
  torch::serialize::OutputArchive optimizer;
  optimizer_->save(optimizer);
  archive.write("optimizer", optimizer);
  if (averages_) write_state(archive, "averages", averages_->state());
  if (controller_) archive.write("controller", c10::IValue(controller_->state()));
  archive.write("position", c10::IValue(position_));
  archive.write("totals", objective_.totals());
  write_state(archive, "last", last_.loss.defined() ? last_scalars() : NamedTensors{});
}

void Trainer::load(torch::serialize::InputArchive& archive) {
  load_state(*model_, read_state(archive, "model"));
  torch::serialize::InputArchive optimizer;
  archive.read("optimizer", optimizer);
  optimizer_->load(optimizer);
  if (averages_) averages_->load_state(read_state(archive, "averages"));
  if (controller_) {
    controller_->load_state(read_value(archive, "controller").toDoubleVector());
    objective_.set_strength(controller_->strength());
  }
  position_ = read_value(archive, "position").toInt();
  torch::Tensor totals;
  archive.read("totals", totals);
  objective_.set_totals(totals);
  const NamedTensors last = read_state(archive, "last");
  if (!last.empty()) last_ = {last.at("loss"), last.at("grad_norm"), last.at("rho_relative")};
}

}  // namespace flatenn::train
