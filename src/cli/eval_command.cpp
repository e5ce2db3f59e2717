#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/evaluation_inputs.h"
#include "cli/progress_bar.h"
#include "cli/text_table.h"
#include "cli/validators.h"
#include "flatenn/base/error.h"
#include "flatenn/base/printable.h"
#include "flatenn/engine/check.h"
#include "flatenn/engine/evaluate.h"
#include "flatenn/engine/sparsity.h"
#include "flatenn/net/content_hash.h"

namespace flatenn::cli {
namespace {

/// The reference engine takes a second for one image of a large network.
constexpr int64_t kImagesToCheck = 100;

struct EvalOptions {
  EvaluationOptions inputs;
  bool json = false;
};

void print_result(const EvalOptions& options, const EvaluationInputs& inputs,
                  const engine::Evaluation& result, const engine::ActivationSparsity& sparsity) {
  if (options.json) {
    nlohmann::json layers = nlohmann::json::object();
    for (const auto& [layer, share] : sparsity.layers) layers[layer] = share;
    const nlohmann::json object{
        {"model", options.inputs.model}, {"content_hash", net::content_hash(*inputs.network)},
        {"dataset", inputs.images.name}, {"split", options.inputs.split},
        {"images", result.images},       {"engine", inputs.engine->name()},
        {"accuracy", result.accuracy()}, {"correct", result.correct},
        {"loss", result.loss},           {"sparsity", sparsity.network},
        {"layer_sparsity", layers}};
    std::printf("%s\n", object.dump(2).c_str());
    return;
  }
  print_wrapped(detail::concat(printable(inputs.network->name), " on ", result.images, " ",
                               options.inputs.split, " images of ", printable(inputs.images.name),
                               " (engine ", inputs.engine->name(), ")"));
  char text[96];
  std::snprintf(text, sizeof text, "accuracy  %.2f %%  (%ld right)", 100 * result.accuracy(),
                result.correct);
  print_wrapped(text, 10);
  std::printf("loss      %.6f\n", result.loss);
  std::snprintf(text, sizeof text,
                "sparsity  %.2f %% of the codes that layers read are 0 (weighted by MACs)",
                100 * sparsity.network);
  print_wrapped(text, 10);
  std::vector<std::vector<std::string>> rows;
  for (const auto& [layer, share] : sparsity.layers) {
    std::snprintf(text, sizeof text, "%6.2f %%", 100 * share);
    rows.push_back({layer, text});
  }
  print_text_table({{"layer"}, {"zeros", true}}, rows);
}

void evaluate(const EvalOptions& options) {
  const EvaluationInputs inputs = open_inputs(options.inputs);
  const std::vector<float> logits =
      engine::golden_logits(*inputs.engine, *inputs.network, *inputs.codes);
  print_result(options, inputs,
               engine::evaluate(logits, inputs.network->classes(), inputs.images.labels),
               engine::measure_sparsity(*inputs.engine, *inputs.network, *inputs.codes));
}

void check(const EvalOptions& options, bool quiet) {
  EvaluationOptions wanted = options.inputs;
  wanted.engine = "reference";
  if (wanted.images == 0) wanted.images = kImagesToCheck;
  const EvaluationInputs inputs = open_inputs(wanted);
  std::vector<std::unique_ptr<engine::Engine>> engines;
  std::vector<engine::Engine*> others;
  for (const auto kind : {engine::EngineKind::kLanes, engine::EngineKind::kOneDnn}) {
    engines.push_back(engine::make_engine(inputs.network, inputs.codes,
                                          {.kind = kind, .threads = wanted.threads}));
    others.push_back(engines.back().get());
  }
  const auto differences =
      engine::first_differences(*inputs.engine, others, *inputs.network, *inputs.codes, {},
                                ProgressBar("check", "images", quiet));
  nlohmann::json results = nlohmann::json::array();
  std::string failure;
  for (size_t i = 0; i < others.size(); ++i) {
    const std::string name = others[i]->name();
    const std::string text = differences[i] ? differences[i]->describe() : "";
    results.push_back({{"engine", name},
                       {"images", inputs.codes->count},
                       {"equal", text.empty()},
                       {"difference", text}});
    if (!options.json) {
      std::printf("reference against %s, %ld images: %s\n", name.c_str(), inputs.codes->count,
                  text.empty() ? "every code and logit is equal" : text.c_str());
    }
    if (!text.empty() && failure.empty()) failure = name + ": " + text;
  }
  if (options.json) std::printf("%s\n", results.dump(2).c_str());
  FLATENN_CHECK(failure.empty(), "engines disagree: ", failure);
}

}  // namespace

void add_eval_command(CLI::App& app, const GlobalOptions& global) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command =
      app.add_subcommand("eval", "Accuracy, loss and activation sparsity of a frozen network");
  options->inputs.declare_inputs(*command);
  command
      ->add_option("--engine", options->inputs.engine,
                   "reference, cpu (the fastest of the others but cuda), lanes, onednn, general or "
                   "cuda (cuda:1: the second GPU); check compares "
                   "them with the reference, layer by layer (first 100 images unless --images says "
                   "otherwise)")
      ->check(engine_name(false, {"check"}))
      ->capture_default_str();
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &global] {
    options->inputs.engine == "check" ? check(*options, global.quiet) : evaluate(*options);
  });
}

}  // namespace flatenn::cli
