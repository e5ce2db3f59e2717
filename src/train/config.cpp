#include "flatenn/train/config.h"

#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"
#include "flatenn/data/own_data.h"

namespace flatenn::train {
namespace {

constexpr DoubleRange kShare{0, 1};
constexpr DoubleRange kNotNegative{0, 1e9};
constexpr IntRange kCount{.min = 0};
constexpr IntRange kBits{.min = 2, .max = 8};

uint64_t read_seed(Config& config, const std::string& key, int64_t fallback) {
  return static_cast<uint64_t>(config.get_int(key, fallback, kCount));
}

DataOptions read_data(Config& config) {
  DataOptions data;
  try {
    data.name = data::settled_data_name(config.get_string("data.name", data.name));
  } catch (const Error& error) {
    config.fail("data.name", error.what());
  }
  data.hold_out = config.get_int("data.hold_out", data.hold_out, kCount);
  data.hold_out_seed = read_seed(config, "data.hold_out_seed", 0);
  data.train_images = config.get_int("data.train_images", data.train_images, kCount);
  data.test_images = config.get_int("data.test_images", data.test_images, kCount);
  return data;
}

AugmentationOptions read_augmentation(Config& config) {
  AugmentationOptions augment;
  augment.crop = config.get_int("augment.crop", augment.crop, {.min = 0, .max = 16});
  augment.flip = config.get_bool("augment.flip", augment.flip);
  augment.cutout = config.get_int("augment.cutout", augment.cutout, {.min = 0, .max = 256});
  return augment;
}

/// [layers.NAME]: bits of single layers.
void read_layer_bits(Config& config, nn::QuantOptions& quant) {
  for (const std::string& layer : config.child_names("layers")) {
    const std::string weights = "layers." + layer + ".weight_bits";
    const std::string activations = "layers." + layer + ".activation_bits";
    if (config.has(weights))
      quant.layer_weight_bits[layer] = config.get_int(weights, quant.weight_bits, kBits);
    if (config.has(activations))
      quant.layer_activation_bits[layer] =
          config.get_int(activations, quant.activation_bits, kBits);
  }
}

nn::QuantOptions read_quantization(Config& config) {
  nn::QuantOptions quant;
  quant.enabled = config.get_bool("quant.enabled", quant.enabled);
  quant.quantizer = nn::parse_weight_quantizer(
      config.get_choice("quant.quantizer", nn::to_string(quant.quantizer), {"lsq", "tied", "liq"}));
  const bool liq = quant.quantizer == nn::WeightQuantizerKind::kLiq;
  quant.weight_bits = config.get_int("quant.weight_bits", quant.weight_bits, kBits);
  quant.activation_bits = config.get_int("quant.activation_bits", quant.activation_bits, kBits);
  quant.first_last_bits = config.get_int("quant.first_last_bits", liq ? 7 : quant.first_last_bits,
                                         {.min = 0, .max = 8});
  if (quant.first_last_bits == 1)
    config.fail("quant.first_last_bits", "must be 0 (as all layers) or in [2, 8], got 1");
  quant.per_channel = config.get_bool("quant.per_channel", quant.per_channel);
  quant.tied_factor = config.get_double("quant.tied_factor", quant.tied_factor, kNotNegative);
  read_layer_bits(config, quant);
  return quant;
}

/// Frozen networks have no wider layer (net::check).
constexpr int64_t kWidest = 65536;

nn::ModelOptions read_model(Config& config) {
  nn::ModelOptions model;
  model.architecture =
      config.get_choice("model.architecture", model.architecture, nn::architecture_names());
  model.hidden = config.get_ints("model.hidden", model.hidden, {.min = 1, .max = kWidest});
  model.width = config.get_int("model.width", model.width, {.min = 1});
  model.fatrelu = config.get_double("sparsity.fatrelu", model.fatrelu, DoubleRange{0, 0.999});
  model.quant = read_quantization(config);
  return model;
}

/// What belongs to a network that is given; all other keys of these tables are refused.
nn::ModelOptions read_given_model(Config& config) {
  const auto refuse = [&](const std::string& key) {
    config.fail(key, "the network's structure and bits stay as they are; remove this key");
  };
  for (const char* table : {"model", "quant", "layers", "warm_start"}) {
    for (const std::string& name : config.child_names(table))
      if (const std::string key = std::string(table) + "." + name; key != "quant.scales")
        refuse(key);
  }
  if (config.has("sparsity.fatrelu")) refuse("sparsity.fatrelu");
  nn::ModelOptions model;
  model.keep_scales = config.get_choice("quant.scales", "keep", {"keep", "fresh"}) == "keep";
  return model;
}

OptimizerOptions read_optimizer(Config& config) {
  OptimizerOptions optimizer;
  optimizer.kind = parse_optimizer(
      config.get_choice("optimizer.base", to_string(optimizer.kind), {"sgd", "adam", "adamw"}));
  optimizer.learning_rate =
      config.get_double("optimizer.learning_rate", optimizer.learning_rate, kNotNegative);
  optimizer.momentum = config.get_double("optimizer.momentum", optimizer.momentum, kShare);
  optimizer.nesterov = config.get_bool("optimizer.nesterov", optimizer.nesterov);
  optimizer.beta1 = config.get_double("optimizer.beta1", optimizer.beta1, kShare);
  optimizer.beta2 = config.get_double("optimizer.beta2", optimizer.beta2, kShare);
  optimizer.epsilon = config.get_double("optimizer.epsilon", optimizer.epsilon, kShare);
  optimizer.weight_decay =
      config.get_double("optimizer.weight_decay", optimizer.weight_decay, kNotNegative);
  optimizer.decay_biases = config.get_bool("optimizer.decay_biases", optimizer.decay_biases);
  optimizer.decay_batch_norm =
      config.get_bool("optimizer.decay_batch_norm", optimizer.decay_batch_norm);
  optimizer.clip_norm = config.get_double("optimizer.clip_norm", optimizer.clip_norm, kNotNegative);
  optimizer.scale_learning_rate = config.get_double("optimizer.scale_learning_rate",
                                                    optimizer.scale_learning_rate, kNotNegative);
  return optimizer;
}

/// One of two keys, so that the other is in no record of the training.
void read_radius(Config& config, SharpnessOptions& sharpness) {
  if (!config.has("sharpness.rho_relative")) {
    sharpness.rho = config.get_double("sharpness.rho", sharpness.rho, kNotNegative);
    return;
  }
  if (config.has("sharpness.rho"))
    config.fail("sharpness.rho_relative",
                "cannot stand beside sharpness.rho; the radius is absolute or a share of ||Q(w)||");
  sharpness.rho_relative = config.get_double("sharpness.rho_relative", 0, DoubleRange{1e-9, 1e9});
}

SharpnessOptions read_sharpness(Config& config) {
  SharpnessOptions sharpness;
  sharpness.method = parse_sharpness_method(config.get_choice(
      "optimizer.kind", to_string(sharpness.method), {"sgd", "sam", "saq", "asaq"}));
  read_radius(config, sharpness);
  sharpness.eta = config.get_double("sharpness.eta", sharpness.eta, kNotNegative);
  sharpness.gap = config.get_double("sharpness.gap", sharpness.gap, kNotNegative);
  sharpness.perturb_biases = config.get_bool("sharpness.perturb_biases", sharpness.perturb_biases);
  sharpness.perturb_batch_norm =
      config.get_bool("sharpness.perturb_batch_norm", sharpness.perturb_batch_norm);
  sharpness.perturb_activation_scales =
      config.get_bool("sharpness.perturb_activation_scales", sharpness.perturb_activation_scales);
  return sharpness;
}

RandomFaultOptions read_random_faults(Config& config) {
  RandomFaultOptions faults;
  faults.rate = config.get_double("randbet.rate", faults.rate, kShare);
  faults.kind = fault::parse_fault_kind(
      config.get_choice("randbet.kind", fault::to_string(faults.kind), fault::fault_kind_names()));
  faults.share = config.get_double("randbet.share", faults.share, DoubleRange{1e-6, 1});
  faults.from_epoch = config.get_double("randbet.from_epoch", faults.from_epoch, kNotNegative);
  faults.ramp_epochs = config.get_double("randbet.ramp_epochs", faults.ramp_epochs, kNotNegative);
  return faults;
}

WeightRangeOptions read_weight_range(Config& config) {
  WeightRangeOptions range;
  range.limit = config.get_double("weight_range.limit", range.limit, kNotNegative);
  range.penalty = config.get_double("weight_range.penalty", range.penalty, kNotNegative);
  range.code_rms = config.get_double("weight_range.code_rms", range.code_rms, DoubleRange{0, 0.95});
  range.code_rms_strength =
      config.get_double("weight_range.code_rms_strength", range.code_rms_strength, kNotNegative);
  return range;
}

/// What needs stored codes, or scales that are learned, says so where there are none.
void check_robustness(const Config& config, const nn::ModelOptions& model, bool given,
                      const RobustnessOptions& robustness) {
  const nn::QuantOptions& quant = model.quant;
  const auto need_codes = [&](bool asked, const char* key) {
    if (asked && !quant.enabled) config.fail(key, "needs quant.enabled = true");
  };
  need_codes(robustness.random_faults.rate > 0, "randbet.rate");
  need_codes(!robustness.defects.empty(), "defects.file");
  need_codes(robustness.weights.penalty > 0, "weight_range.penalty");
  need_codes(robustness.weights.code_rms > 0, "weight_range.code_rms");
  need_codes(robustness.activation_noise > 0, "noise.activations");
  const auto need_learned = [&](bool asked, const char* key) {
    if (asked && given && model.keep_scales)
      config.fail(key, "needs learned scales; --scales fresh learns them");
    if (asked && !given && quant.quantizer == nn::WeightQuantizerKind::kTied)
      config.fail(key,
                  "needs learned scales; quant.quantizer = \"tied\" has its scale from "
                  "quant.tied_factor");
  };
  need_learned(robustness.weights.penalty > 0, "weight_range.penalty");
  need_learned(robustness.weights.code_rms > 0, "weight_range.code_rms");
}

RobustnessOptions read_robustness(Config& config, const nn::ModelOptions& model, bool given) {
  RobustnessOptions robustness;
  robustness.random_faults = read_random_faults(config);
  robustness.defects = config.get_string("defects.file", "");
  robustness.weights = read_weight_range(config);
  robustness.activation_noise = config.get_double("noise.activations", 0, kShare);
  check_robustness(config, model, given, robustness);
  return robustness;
}

/// "saq", "saq+randbet": the optimizer's kind and what stands beside it.
std::string usual_name(const TrainConfig& train) {
  const RobustnessOptions& robustness = train.robustness;
  std::string name = to_string(train.sharpness.method);
  if (robustness.random_faults.rate > 0) name += "+randbet";
  if (!robustness.defects.empty()) name += "+defects";
  if (robustness.weights.limit > 0) name += "+limit";
  if (robustness.weights.penalty > 0) name += "+range";
  if (robustness.weights.code_rms > 0) name += "+code-rms";
  if (robustness.activation_noise > 0) name += "+noise";
  return name;
}

ScheduleKind parse_schedule(const std::string& name) {
  if (name == "constant") return ScheduleKind::kConstant;
  return name == "step" ? ScheduleKind::kStep : ScheduleKind::kCosine;
}

Schedule read_schedule(Config& config, double learning_rate) {
  Schedule schedule;
  schedule.learning_rate = learning_rate;
  schedule.kind =
      parse_schedule(config.get_choice("schedule.kind", "cosine", {"cosine", "step", "constant"}));
  schedule.warmup_epochs =
      config.get_double("schedule.warmup_epochs", schedule.warmup_epochs, kNotNegative);
  schedule.final_fraction =
      config.get_double("schedule.final_fraction", schedule.final_fraction, kShare);
  schedule.at_epochs = config.get_doubles("schedule.at_epochs", schedule.at_epochs, kNotNegative);
  schedule.step_factor = config.get_double("schedule.step_factor", schedule.step_factor, kShare);
  if (schedule.kind == ScheduleKind::kStep && schedule.at_epochs.empty())
    config.fail("schedule.at_epochs", "schedule.kind = \"step\" needs the epochs of its steps");
  return schedule;
}

SparsityOptions read_sparsity(Config& config) {
  SparsityOptions sparsity;
  sparsity.penalty = nn::parse_sparsity_penalty(config.get_choice(
      "sparsity.penalty", nn::to_string(sparsity.penalty), {"none", "l1", "hoyer_square"}));
  sparsity.weighting = nn::parse_sparsity_weighting(config.get_choice(
      "sparsity.weighting", nn::to_string(sparsity.weighting), {"layers", "macs"}));
  sparsity.grouping = nn::parse_sparsity_grouping(config.get_choice(
      "sparsity.grouping", nn::to_string(sparsity.grouping), {"layers", "channels"}));
  sparsity.strength =
      config.get_double("sparsity.strength", sparsity.strength, DoubleRange{1e-12, 1e6});
  sparsity.target = config.get_double("sparsity.target", sparsity.target, DoubleRange{0, 0.999});
  sparsity.gain = config.get_double("sparsity.gain", sparsity.gain, kNotNegative);
  sparsity.update_every =
      config.get_int("sparsity.update_every", sparsity.update_every, {.min = 1});
  if (sparsity.target > 0 && sparsity.penalty == nn::SparsityPenalty::kNone)
    config.fail("sparsity.target", "needs a penalty to steer: set sparsity.penalty");
  return sparsity;
}

void read_loop(Config& config, TrainConfig& train) {
  train.epochs = config.get_int("train.epochs", train.epochs, {.min = 1, .max = 100000});
  train.batch_size = config.get_int("train.batch_size", train.batch_size, {.min = 1});
  train.accumulate = config.get_int("train.accumulate", train.accumulate, {.min = 1});
  if (train.batch_size % train.accumulate != 0)
    config.fail("train.accumulate", detail::concat("must divide train.batch_size = ",
                                                   train.batch_size, ", got ", train.accumulate));
  train.label_smoothing =
      config.get_double("train.label_smoothing", train.label_smoothing, DoubleRange{0, 0.9});
  train.ema = config.get_double("train.ema", train.ema, DoubleRange{0, 0.999999});
  train.threads = config.get_int("train.threads", train.threads, {.min = 0, .max = 1024});
}

void read_warm_start(Config& config, TrainConfig& train) {
  train.warm_start = config.get_string("warm_start.run", "");
  train.warm_start_weights = config.get_string("warm_start.weights", "");
  train.warm_start_partial = config.get_bool("warm_start.partial", false);
  if (!train.warm_start.empty() && !train.warm_start_weights.empty())
    config.fail("warm_start.weights", "cannot stand beside warm_start.run");
  if (train.warm_start_partial && train.warm_start_weights.empty())
    config.fail("warm_start.partial", "needs a warm_start.weights");
}

}  // namespace

TrainConfig read_train_config(Config& config, Structure structure) {
  TrainConfig train;
  train.name = config.get_string("name", "");
  train.recipe = config.get_string("recipe", "");
  train.seed = read_seed(config, "seed", 1);
  train.data = read_data(config);
  train.augment = read_augmentation(config);
  const bool given = structure == Structure::kGiven;
  train.model = given ? read_given_model(config) : read_model(config);
  train.model.seed = train.seed;
  train.optimizer = read_optimizer(config);
  train.sharpness = read_sharpness(config);
  train.sharpness_from_epoch = config.get_double("sharpness.from_epoch", 0, kNotNegative);
  train.sharpness_every = config.get_int("sharpness.every", train.sharpness_every, {.min = 1});
  train.ascent_share =
      config.get_double("sharpness.ascent_share", train.ascent_share, DoubleRange{1e-6, 1});
  train.sharpness_per_device = config.get_bool("sharpness.per_device", false);
  if (train.sharpness_per_device && train.sharpness.gap > 0)
    config.fail("sharpness.per_device",
                "cannot stand beside sharpness.gap, which needs the first "
                "pass's gradient of the whole batch");
  train.robustness = read_robustness(config, train.model, given);
  if (train.recipe.empty()) train.recipe = usual_name(train);
  train.schedule = read_schedule(config, train.optimizer.learning_rate);
  train.sparsity = read_sparsity(config);
  read_loop(config, train);
  if (train.schedule.warmup_epochs >= static_cast<double>(train.epochs))
    config.fail("schedule.warmup_epochs",
                detail::concat("must be less than train.epochs = ", train.epochs, ", got ",
                               train.schedule.warmup_epochs));
  if (!given) read_warm_start(config, train);
  train.encoding = fault::parse_encoding(
      config.get_choice("freeze.encoding", fault::to_string(train.encoding),
                        {"twos_complement", "offset_binary", "gray", "sign_magnitude"}));
  config.check_all_read();
  return train;
}

int64_t TrainConfig::ascent_images() const {
  const double wanted = ascent_share * static_cast<double>(batch_size);
  const int64_t parts = static_cast<int64_t>(std::ceil(wanted / static_cast<double>(accumulate)));
  return std::clamp<int64_t>(parts * accumulate, accumulate, batch_size);
}

int64_t steps_per_epoch(const TrainConfig& config, int64_t images) {
  const int64_t steps = images / config.batch_size;
  FLATENN_CHECK(steps > 0, "train.batch_size = ", config.batch_size, " is more than the ", images,
                " training images");
  return steps;
}

}  // namespace flatenn::train
