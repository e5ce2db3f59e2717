#pragma once

#include <algorithm>
#include <cmath>

#include "flatenn/report/findings.h"

namespace flatenn::report::testing {

inline campaign::ModelResult test_model(const std::string& recipe, const std::string& activation,
                                        int64_t seed, double golden) {
  return {.name = recipe + "-" + activation + "-seed" + std::to_string(seed),
          .hash = "hash-of-" + recipe + activation + std::to_string(seed),
          .metadata = {{"recipe", recipe},
                       {"activation", activation},
                       {"seed", std::to_string(seed)},
                       {"dataset", "fashion-mnist"}},
          .golden_accuracy = golden,
          .golden_loss = 0.25,
          .weight_bits = 245880};
}

/// A smooth made-up curve: accuracy falls with the rate, less for "saq".
inline double test_accuracy(const campaign::ModelResult& model, double rate, int64_t kind,
                            int64_t trial) {
  const double strength = model.meta("recipe") == "saq" ? 9 : 14;
  const double sparse = model.meta("activation") == "sparse" ? 1.2 : 1.0;
  const double seed = static_cast<double>(model.training_seed().value_or(1));
  const double wobble = 0.01 * std::sin(static_cast<double>(7 * trial + 3 * kind) + seed);
  const double fall = strength * sparse * rate * (kind == 0 ? 1.0 : 0.5) * (1 + 0.05 * seed);
  return 0.1 + (model.golden_accuracy - 0.1) * std::exp(-fall * fall * 20 - fall) + wobble * fall;
}

inline campaign::CellResult test_cell(const campaign::PlanResult& plan, int64_t model, int64_t kind,
                                      int64_t level, int64_t trials) {
  campaign::CellResult cell{.model = model, .kind = kind, .level = level};
  const campaign::ModelResult& network = plan.models[static_cast<size_t>(model)];
  int64_t good = 0;
  for (int64_t trial = 0; trial < trials; ++trial) {
    cell.accuracies.push_back(
        test_accuracy(network, plan.levels[static_cast<size_t>(level)].rate, kind, trial));
    good += cell.accuracies.back() >= network.golden_accuracy - 0.01 ? 1 : 0;
  }
  cell.stop = campaign::StopReason::kTrials;
  cell.accuracy = campaign::summarize(cell.accuracies);
  cell.ci = campaign::student_interval(cell.accuracy.mean, cell.accuracy.sd, trials);
  cell.yield = static_cast<double>(good) / static_cast<double>(trials);
  cell.yield_ci = campaign::clopper_pearson(good, trials);
  cell.sdc1_right = network.golden_accuracy - cell.accuracy.mean;
  cell.drawn = 245880 * plan.levels[static_cast<size_t>(level)].rate;
  cell.landed = cell.drawn / (kind == 0 ? 1 : 2);
  cell.images = 10000;
  return cell;
}

inline void add_pairs(campaign::PlanResult& plan, int64_t kind, int64_t level) {
  const auto models = static_cast<int64_t>(plan.models.size());
  for (int64_t a = 0; a < models; ++a) {
    for (int64_t b = a + 1; b < models; ++b) {
      plan.pairs.push_back(
          campaign::compare_cells(*plan.cell(a, kind, level), *plan.cell(b, kind, level)));
    }
  }
}

/// A campaign of sgd and saq, standard and sparse, over `seeds` training seeds.
inline campaign::PlanResult test_plan(int64_t seeds = 1, int64_t trials = 6) {
  campaign::PlanResult plan{.name = "lenet5",
                            .fingerprint = "f00d",
                            .settings_json = R"({"rates": [0.001, 0.01], "seed": 11})",
                            .version = "0.1.0",
                            .dataset = "fashion-mnist",
                            .dataset_images = 10000,
                            .seed = 11,
                            .kinds = {"bit_flip", "stuck_at_0"}};
  for (const double rate : {0.001, 0.005, 0.01, 0.03, 0.05})
    plan.levels.push_back({.rate = rate, .label = std::to_string(rate).substr(0, 5)});
  for (int64_t seed = 1; seed <= seeds; ++seed) {
    for (const char* activation : {"standard", "sparse"}) {
      for (const char* recipe : {"sgd", "saq"})
        plan.models.push_back(
            test_model(recipe, activation, seed, 0.91 + 0.001 * static_cast<double>(seed)));
    }
  }
  const auto models = static_cast<int64_t>(plan.models.size());
  for (int64_t model = 0; model < models; ++model) {
    for (int64_t kind = 0; kind < 2; ++kind) {
      for (int64_t level = 0; level < 5; ++level)
        plan.cells.push_back(test_cell(plan, model, kind, level, trials));
      plan.tolerances.push_back(
          {.model = model, .kind = kind, .rate = 0.004, .ci = {0.003, 0.006}});
    }
  }
  for (int64_t kind = 0; kind < 2; ++kind) {
    for (int64_t level = 0; level < 5; ++level) add_pairs(plan, kind, level);
  }
  return plan;
}

/// Lists the networks the other way round.
inline void reverse_networks(campaign::PlanResult& plan) {
  const auto last = static_cast<int64_t>(plan.models.size()) - 1;
  std::reverse(plan.models.begin(), plan.models.end());
  for (campaign::CellResult& cell : plan.cells) cell.model = last - cell.model;
  for (campaign::PairResult& pair : plan.pairs) {
    pair.model_a = last - pair.model_a;
    pair.model_b = last - pair.model_b;
  }
}

inline Run test_run(const std::string& recipe, bool sparse) {
  Run run{.name = recipe + (sparse ? "-sparse" : "-standard")};
  run.record = nlohmann::ordered_json::parse(R"({"status": "finished", "seed": 1,
    "config": {"optimizer": {"kind": "sgd"}, "sparsity": {"penalty": "none"}},
    "result": {"accuracy": 0.912, "sparsity": 0.5, "rho_relative": 0.01, "seconds": 33.5,
      "images_per_second": 27000,
      "layer_sparsity": {"conv2": 0.4, "conv10": 0.5, "fc": 0.6},
      "code_rms": {"conv2": 2.5, "conv10": 1.9, "fc": 0.8},
      "warnings": ["layer fc: code rms 0.8 is under 1"]}})");
  run.record["config"]["optimizer"]["kind"] = recipe;
  if (sparse) run.record["config"]["sparsity"]["penalty"] = "l1";
  for (int64_t epoch = 1; epoch <= 4; ++epoch) {
    const double progress = 1 - std::exp(-static_cast<double>(epoch));
    run.epochs.push_back({{"epoch", epoch},
                          {"train_loss", 1.2 - progress},
                          {"test_accuracy", 0.6 + 0.3 * progress},
                          {"sparsity", (sparse ? 0.85 : 0.5) * progress}});
  }
  return run;
}

/// One of everything.
inline Findings test_findings(int64_t seeds = 1) {
  Findings findings{.title = "A made-up study"};
  findings.plans.push_back(test_plan(seeds));
  for (const bool sparse : {false, true}) {
    for (const char* recipe : {"sgd", "saq"}) findings.runs.push_back(test_run(recipe, sparse));
  }
  findings.claims.push_back({.id = "saq-gains-standard",
                             .statement = "SAQ gains under faults, standard networks",
                             .published = "up to 24.76 %",
                             .better = "saq/standard",
                             .worse = "sgd/standard",
                             .kind = "bit_flip",
                             .rate = 0.05,
                             .seeds = 1,
                             .difference = 0.1,
                             .networks = campaign::Interval{0.08, 0.12},
                             .verdict = "undecided",
                             .reason = "1 seed, 5 needed"});
  findings.commands = {"flatenn study lenet5 --out study"};
  return findings;
}

}  // namespace flatenn::report::testing
