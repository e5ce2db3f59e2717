#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "flatenn/base/error.h"
#include "flatenn/engine/check.h"
#include "flatenn/engine/evaluate.h"
#include "flatenn/engine/sparsity.h"
#include "flatenn/net/onnx.h"

namespace flatenn::cli {
namespace {

/// The reference engine takes a second for one image of a large network.
constexpr int64_t kImagesToCheck = 100;
constexpr int64_t kMostCount = 1'000'000'000;

struct EvalOptions {
  std::string model;
  std::string data;
  std::string data_root;
  std::string split = "test";
  std::string engine = "cpu";
  int64_t images = 0;
  int64_t threads = 0;
  bool json = false;
};

struct Subject {
  std::shared_ptr<const net::Network> network;
  data::ImageSet images;
  std::shared_ptr<const engine::ImageCodes> codes;

  std::unique_ptr<engine::Engine> make(engine::EngineKind kind, int64_t threads) const {
    return engine::make_engine(network, codes, {.kind = kind, .threads = threads});
  }
};

Subject load(const EvalOptions& options) {
  Subject subject;
  subject.network = std::make_shared<net::Network>(net::read_onnx(options.model));
  const auto split = options.split == "train" ? data::Split::kTrain : data::Split::kTest;
  const bool check = options.engine == "check" && options.images == 0;
  subject.images = data::take_first(
      data::load_image_set(options.data, split, data::resolve_data_root(options.data_root)),
      check ? kImagesToCheck : options.images);
  subject.codes = engine::quantize_images(subject.images, *subject.network);
  return subject;
}

void print_result(const EvalOptions& options, const Subject& subject, const std::string& engine,
                  const engine::Evaluation& result, const engine::ActivationSparsity& sparsity) {
  if (options.json) {
    nlohmann::json layers = nlohmann::json::object();
    for (const auto& [layer, share] : sparsity.layers) layers[layer] = share;
    const nlohmann::json json{{"model", options.model},
                              {"content_hash", net::content_hash(*subject.network)},
                              {"dataset", subject.images.name},
                              {"split", options.split},
                              {"images", result.images},
                              {"engine", engine},
                              {"accuracy", result.accuracy()},
                              {"correct", result.correct},
                              {"loss", result.loss},
                              {"sparsity", sparsity.network},
                              {"layer_sparsity", layers}};
    std::printf("%s\n", json.dump(2).c_str());
    return;
  }
  std::printf("%s on %ld %s images of %s (engine %s)\n", subject.network->name.c_str(),
              result.images, options.split.c_str(), subject.images.name.c_str(), engine.c_str());
  std::printf("accuracy  %.2f %%  (%ld right)\nloss      %.6f\n", 100 * result.accuracy(),
              result.correct, result.loss);
  std::printf("sparsity  %.2f %% of the codes that layers read are 0 (weighted by MACs)\n",
              100 * sparsity.network);
  for (const auto& [layer, share] : sparsity.layers) {
    std::printf("  %-20s %6.2f %%\n", layer.c_str(), 100 * share);
  }
}

void evaluate(const EvalOptions& options) {
  const Subject subject = load(options);
  const auto engine = subject.make(engine::parse_engine_kind(options.engine), options.threads);
  const std::vector<float> logits =
      engine::golden_logits(*engine, *subject.network, *subject.codes);
  print_result(options, subject, engine->name(),
               engine::evaluate(logits, subject.network->classes(), subject.images.labels),
               engine::measure_sparsity(*engine, *subject.network, *subject.codes));
}

void check(const EvalOptions& options) {
  const Subject subject = load(options);
  const auto reference = subject.make(engine::EngineKind::kReference, options.threads);
  nlohmann::json results = nlohmann::json::array();
  std::string failure;
  for (const auto kind : {engine::EngineKind::kLanes, engine::EngineKind::kOneDnn}) {
    const auto other = subject.make(kind, options.threads);
    const auto difference =
        engine::first_difference(*reference, *other, *subject.network, *subject.codes);
    results.push_back({{"engine", other->name()},
                       {"images", subject.codes->count},
                       {"equal", !difference.has_value()},
                       {"difference", difference ? difference->describe() : ""}});
    if (!options.json) {
      std::printf("reference against %s, %ld images: %s\n", other->name().c_str(),
                  subject.codes->count,
                  difference ? difference->describe().c_str() : "every code and logit is equal");
    }
    if (difference && failure.empty()) failure = other->name() + ": " + difference->describe();
  }
  if (options.json) std::printf("%s\n", results.dump(2).c_str());
  FLATENN_CHECK(failure.empty(), "engines disagree: ", failure);
}

}  // namespace

void add_eval_command(CLI::App& app, const GlobalOptions&) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command =
      app.add_subcommand("eval", "Accuracy, loss and activation sparsity of a frozen network");
  command->add_option("model", options->model, "ONNX file of a frozen network")->required();
  command->add_option("--data", options->data, "Data set: mnist, fashion-mnist or cifar10")
      ->required();
  command->add_option("--data-root", options->data_root,
                      "Where data sets are (default: $FLATENN_DATA, else ~/.cache/flatenn/data)");
  command->add_option("--split", options->split, "test or train")
      ->check(CLI::IsMember({"test", "train"}))
      ->capture_default_str();
  command->add_option("--images", options->images, "Only the first N images (0: all)")
      ->check(CLI::Range(int64_t{0}, kMostCount))
      ->capture_default_str();
  command
      ->add_option(
          "--engine", options->engine,
          "reference, cpu (the faster of the next two), lanes, onednn or cuda; check compares "
          "them with the reference, layer by layer (first 100 images unless --images says "
          "otherwise)")
      ->check(CLI::IsMember({"reference", "cpu", "lanes", "onednn", "cuda", "check"}))
      ->capture_default_str();
  command->add_option("--threads", options->threads, "Threads (0: all cores)")
      ->check(CLI::Range(int64_t{0}, kMostCount))
      ->capture_default_str();
  command->add_flag("--json", options->json, "Print JSON");
  command->callback(
      [options] { options->engine == "check" ? check(*options) : evaluate(*options); });
}

}  // namespace flatenn::cli
