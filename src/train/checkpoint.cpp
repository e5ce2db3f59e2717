#include "flatenn/train/checkpoint.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/zip_file.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/interop/onnx.h"
#include "train/checkpoint_file.h"
#include "train/state_archive.h"

namespace flatenn::train {
namespace {

constexpr int64_t kFormat = 1;
/// Keys that do not change what a training computes from here on, or only its last bits; and how
/// long it goes on.
const std::vector<std::string> kFreeKeys = {
    "name",           "train.threads",      "train.epochs",
    "warm_start.run", "warm_start.weights", "warm_start.partial"};

void write_text(torch::serialize::OutputArchive& archive, const std::string& key,
                const std::string& text) {
  archive.write(key, c10::IValue(text));
}

std::string read_text(torch::serialize::InputArchive& archive, const std::string& key) {
  return read_value(archive, key).toStringRef();
}

void write_model_shape(torch::serialize::OutputArchive& archive, const nn::ModelOptions& model) {
  archive.write("input", c10::IValue(std::vector<int64_t>{model.input.channels, model.input.height,
                                                          model.input.width}));
  archive.write("classes", c10::IValue(model.classes));
  archive.write("input_scale", c10::IValue(model.input_scale));
  archive.write("mean", c10::IValue(std::vector<double>(model.mean.begin(), model.mean.end())));
  archive.write("std", c10::IValue(std::vector<double>(model.std.begin(), model.std.end())));
}

void read_model_shape(torch::serialize::InputArchive& archive, nn::ModelOptions& model) {
  const std::vector<int64_t> input = read_value(archive, "input").toIntVector();
  model.input = {input.at(0), input.at(1), input.at(2)};
  model.classes = read_value(archive, "classes").toInt();
  model.input_scale = read_value(archive, "input_scale").toDouble();
  const auto numbers = [&](const char* key, std::vector<float>& into) {
    c10::IValue value;  // checkpoints of older versions have none
    if (!archive.try_read(key, value)) return;
    const std::vector<double> stored = value.toDoubleVector();
    into.assign(stored.begin(), stored.end());
  };
  numbers("mean", model.mean);
  numbers("std", model.std);
}

void write_runtime(torch::serialize::OutputArchive& archive, const CheckpointHeader& header) {
  write_text(archive, "libtorch", header.runtime.libtorch);
  write_text(archive, "isa", header.runtime.isa);
  write_text(archive, "blas", header.runtime.blas);
  archive.write("threads", c10::IValue(header.runtime.threads));
  write_text(archive, "device", header.device);
}

void read_runtime(torch::serialize::InputArchive& archive, CheckpointHeader& header) {
  header.runtime.libtorch = read_text(archive, "libtorch");
  header.runtime.isa = read_text(archive, "isa");
  header.runtime.blas = read_text(archive, "blas");
  header.runtime.threads = read_value(archive, "threads").toInt();
  header.device = read_text(archive, "device");
}

/// Leaves of a JSON tree as dotted keys.
void flatten(const nlohmann::json& node, const std::string& prefix,
             std::map<std::string, nlohmann::json>& leaves) {
  if (!node.is_object()) {
    leaves[prefix] = node;
    return;
  }
  for (const auto& [key, child] : node.items())
    flatten(child, prefix.empty() ? key : prefix + "." + key, leaves);
}

std::map<std::string, nlohmann::json> leaves_of(const nlohmann::json& tree) {
  std::map<std::string, nlohmann::json> leaves;
  flatten(tree, "", leaves);
  return leaves;
}

constexpr const char* kNotSet = "not set";

/// What every key says where a file does not set it.
const std::map<std::string, nlohmann::json>& default_leaves() {
  static const std::map<std::string, nlohmann::json> leaves = [] {
    Config empty = Config::from_string("", "defaults");
    read_train_config(empty);
    return leaves_of(empty.resolved());
  }();
  return leaves;
}

/// Whether a key that an older version did not know says what that version did: nothing, or its
/// default.
bool is_neutral(const std::string& key, const nlohmann::json& value) {
  const auto found = default_leaves().find(key);
  return value == 0 || value == false || value == "" || (value.is_array() && value.empty()) ||
         (found != default_leaves().end() && value == found->second);
}

std::string shown(const std::map<std::string, nlohmann::json>& leaves, const std::string& key) {
  const auto found = leaves.find(key);
  return found == leaves.end() ? kNotSet : found->second.dump();
}

}  // namespace

void write_checkpoint(const std::filesystem::path& path, const CheckpointHeader& header,
                      const Trainer& trainer) {
  torch::serialize::OutputArchive archive;
  archive.write("format", c10::IValue(kFormat));
  write_text(archive, "config", header.config);
  write_model_shape(archive, header.model);
  write_runtime(archive, header);
  write_text(archive, "train_hash", header.train_hash);
  write_text(archive, "started", header.started);
  archive.write("seconds", c10::IValue(header.seconds));
  archive.write("epoch_seconds", c10::IValue(header.epoch_seconds));
  trainer.save(archive);
  std::ostringstream content;
  archive.save_to(content);
  write_file_atomically(path, content.str());
}

CheckpointHeader read_checkpoint(const std::filesystem::path& path,
                                 torch::serialize::InputArchive& archive) {
  std::istringstream content(read_file(path));
  try {
    check_content(data::ZipFile(path));  // LibTorch's reader leaves checksums unread
    archive.load_from(content);
    const int64_t format = read_value(archive, "format").toInt();
    FLATENN_CHECK(format == kFormat, "it has format ", format, ", this program reads ", kFormat);
    CheckpointHeader header;
    header.config = read_text(archive, "config");
    read_model_shape(archive, header.model);
    read_runtime(archive, header);
    header.train_hash = read_text(archive, "train_hash");
    header.started = read_text(archive, "started");
    header.seconds = read_value(archive, "seconds").toDouble();
    header.epoch_seconds = read_value(archive, "epoch_seconds").toDouble();
    return header;
  } catch (const Error& error) {
    throw Error(detail::concat(path.string(), ": not a usable checkpoint: ", error.what()));
  } catch (const c10::Error&) {
    throw Error(detail::concat(path.string(), ": not a checkpoint, or damaged"));
  }
}

Config config_from_json(const nlohmann::json& resolved, const std::string& name) {
  std::string toml;
  for (const auto& [key, value] : leaves_of(resolved)) {
    if (value.is_array() && value.empty()) continue;
    toml += key + " = " + value.dump() + "\n";
  }
  return Config::from_string(toml, name);
}

std::string config_difference(const nlohmann::json& before, const nlohmann::json& now) {
  const auto old_leaves = leaves_of(before);
  const auto new_leaves = leaves_of(now);
  std::map<std::string, nlohmann::json> all = old_leaves;
  all.insert(new_leaves.begin(), new_leaves.end());
  for (const auto& entry : all) {
    const std::string& key = entry.first;
    if (std::find(kFreeKeys.begin(), kFreeKeys.end(), key) != kFreeKeys.end()) continue;
    const std::string was = shown(old_leaves, key);
    const std::string is = shown(new_leaves, key);
    if ((was == kNotSet || is == kNotSet) && is_neutral(key, entry.second)) continue;
    if (was != is) return key + ": " + was + " before, " + is + " now";
  }
  return "";
}

std::map<std::string, torch::Tensor> load_run_state(const std::filesystem::path& folder) {
  torch::serialize::InputArchive archive;
  read_checkpoint(folder / "checkpoint.pt", archive);
  NamedTensors state = read_state(archive, "model");
  c10::IValue averages;
  if (archive.try_read("averages", averages)) {
    for (const auto& [name, tensor] : read_state(archive, "averages")) state[name] = tensor;
  }
  return state;
}

LoadedRun load_run(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "checkpoint.pt";
  torch::serialize::InputArchive archive;
  const CheckpointHeader header = read_checkpoint(path, archive);
  Config config = config_from_json(nlohmann::json::parse(header.config), path.string());
  const std::filesystem::path given = folder / kGivenNetworkFile;
  const bool is_given = std::filesystem::exists(given);
  LoadedRun run{
      .config = read_train_config(config, is_given ? Structure::kGiven : Structure::kConfigured)};
  if (is_given)
    run.config.model.network = std::make_shared<net::Network>(interop::read_onnx(given));
  run.config.model.input = header.model.input;
  run.config.model.classes = header.model.classes;
  run.config.model.input_scale = header.model.input_scale;
  run.config.model.mean = header.model.mean;
  run.config.model.std = header.model.std;
  run.model = nn::Model(run.config.model);
  load_state(*run.model, load_run_state(folder));
  run.model->eval();
  return run;
}

}  // namespace flatenn::train
