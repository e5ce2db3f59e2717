#include "cli/fault_options.h"

#include "cli/validators.h"
#include "flatenn/base/config.h"
#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/base/number.h"
#include "flatenn/fault/fault_config.h"
#include "flatenn/fault/fault_list.h"
#include "flatenn/fault/voltage.h"
#include "flatenn/interop/model.h"

namespace flatenn::cli {
namespace {

/// The encoding asked for, else the one the model names, else two's complement.
fault::Encoding choose_encoding(const FaultOptions& options, const net::Network& network) {
  if (!options.encoding.empty()) return fault::parse_encoding(options.encoding);
  const auto named = network.metadata.find("encoding");
  return named != network.metadata.end() && !named->second.empty()
             ? fault::parse_encoding(named->second)
             : fault::Encoding::kTwosComplement;
}

fault::FaultKind kind_of(const FaultOptions& options) {
  return fault::parse_fault_kind(options.kind.empty() ? "bit_flip" : options.kind);
}

fault::FaultModel model_from_flags(const FaultOptions& options, const net::Network& network) {
  fault::FaultSource source;
  source.kinds = fault::KindShares::only(kind_of(options));
  if (!options.shares.empty()) {
    source.kinds = {options.shares.at(0), options.shares.at(1), options.shares.at(2)};
  }
  source.count = options.count;
  source.layers = options.layers;
  source.spare = options.spare;
  source.bits = options.bits;
  return {.encoding = choose_encoding(options, network), .sources = {source}};
}

fault::FaultModel model_from_config(const FaultOptions& options) {
  Config config = Config::from_file(options.config);
  fault::FaultModel model =
      fault::read_fault_model(config, std::filesystem::path(options.config).parent_path());
  config.check_all_read(fault::fault_tables());
  if (!options.encoding.empty()) model.encoding = fault::parse_encoding(options.encoding);
  FLATENN_CHECK(options.kind.empty() || model.follows_kind(), "--kind: all faults of ",
                options.config, " have a kind of their own");
  return model.with_kind(kind_of(options));
}

/// What the file says of the memory: honoured, or refused where the plan says otherwise.
void take_memory(const FaultOptions& options, const fault::FaultList& list,
                 fault::FaultModel& model) {
  if (list.activations) {
    log::warn(options.map, ": was drawn beside faults of activations, which a map does not hold");
  }
  if (list.protection && options.config.empty()) model.protection = *list.protection;
  FLATENN_CHECK(!list.protection || *list.protection == model.protection,
                "--config: ", options.config, " protects the memory otherwise than ", options.map,
                " was drawn for; leave --config out to read the map as it was drawn");
  if (list.array && !model.array) model.array = list.array;
}

/// The list in place of what the model draws, in the memory it was drawn for unless told otherwise.
void take_map(const FaultOptions& options, fault::FaultModel& model) {
  const auto list = std::make_shared<fault::FaultList>(fault::read_fault_list(options.map));
  if (options.encoding.empty() && options.config.empty() && !list->encoding.empty()) {
    model.encoding = fault::parse_encoding(list->encoding);
  }
  take_memory(options, *list, model);
  model.sources = {{.unit = fault::FaultUnit::kList, .list = list}};
}

double choose_rate(const FaultOptions& options, const fault::FaultModel& model) {
  if (!options.voltages.empty()) {
    FLATENN_CHECK(model.follows_rate(), "--voltage: all faults of ", options.config,
                  " have a rate of their own");
    return fault::VoltageTable::read(options.voltages).rate(options.voltage);
  }
  if (options.rate) {
    FLATENN_CHECK(*options.rate >= 0 && *options.rate <= 1, "--rate must be in [0, 1], got ",
                  number_text(*options.rate));
    FLATENN_CHECK(model.follows_rate(), "--rate: all faults of ", options.config,
                  " have a rate of their own");
    return *options.rate;
  }
  FLATENN_CHECK(!model.follows_rate(),
                "say how many faults: --rate, --count, or --voltage with its table");
  return 0;
}

}  // namespace

void add_model_option(CLI::App& app, FaultOptions& options) {
  app.add_option("model", options.model, "Frozen network (.onnx), or a run folder")->required();
}

void add_map_option(CLI::App& app, FaultOptions& options) {
  app.add_option("--map", options.map,
                 "Faults from a file: a map drawn earlier or a defect list, CSV or JSON");
}

void add_draw_options(CLI::App& app, FaultOptions& options) {
  auto* config = app.add_option("--config", options.config,
                                "TOML file with [[faults]], [memory] and [protection] tables");
  auto* kind = app.add_option("--kind", options.kind,
                              "bit_flip, stuck_at_0, stuck_at_1, flip_0_to_1 or flip_1_to_0")
                   ->default_str("bit_flip");
  auto* shares =
      app.add_option("--shares", options.shares,
                     "A mix: shares of bit_flip, stuck_at_0 and stuck_at_1, summing to 1")
          ->expected(3)
          ->excludes(kind);
  auto* rate = app.add_option("--rate", options.rate, "Bit error rate in [0, 1]");
  auto* count = app.add_option("--count", options.count, "Exactly so many faulty bits")
                    ->check(at_least(0))
                    ->excludes(rate);
  auto* table = app.add_option("--voltage-table", options.voltages,
                               "CSV with the columns voltage and rate; gives the rate at --voltage")
                    ->excludes(rate)
                    ->excludes(count);
  table->needs(app.add_option("--voltage", options.voltage, "Supply voltage in V")->needs(table));
  auto* layers = app.add_option("--layers", options.layers, "Only these layers")->delimiter(',');
  auto* spare = app.add_option("--spare", options.spare, "Not these layers")->delimiter(',');
  auto* bits =
      app.add_option("--bits", options.bits,
                     "Only these bit positions: 0 is the least significant, -1 each word's top bit")
          ->delimiter(',');
  app.add_option("--encoding", options.encoding,
                 "twos_complement, offset_binary, gray, sign_magnitude or differential_pair "
                 "(default: the map's, else the model's)");
  auto* seed = app.add_option("--seed", options.seed, "Seed of the maps")
                   ->check(at_least(0))
                   ->capture_default_str();
  auto* trial = app.add_option("--trial", options.trial, "Which map of the seed")
                    ->check(at_least(0))
                    ->capture_default_str();
  // One word each, so that the model may follow.
  for (CLI::Option* flag : {layers, spare, bits}) flag->allow_extra_args(false);
  for (CLI::Option* flag : {shares, count, layers, spare, bits}) flag->excludes(config);
  CLI::Option* const map = app.get_option_no_throw("--map");
  if (map == nullptr) return;
  for (CLI::Option* flag : {kind, shares, rate, count, table, layers, spare, bits, seed, trial}) {
    flag->excludes(map);
  }
}

fault::FaultModel model_from(const FaultOptions& options, const net::Network& network) {
  return options.config.empty() ? model_from_flags(options, network) : model_from_config(options);
}

ChosenFaults choose_faults(const FaultOptions& options) {
  const auto network = std::make_shared<const net::Network>(interop::read_model(options.model));
  fault::FaultModel model = model_from(options, *network);
  if (!options.map.empty()) take_map(options, model);
  ChosenFaults chosen;
  chosen.rate = choose_rate(options, model);
  chosen.injector = std::make_shared<const fault::Injector>(network, std::move(model));
  chosen.map = chosen.injector->draw(chosen.rate, options.seed, options.trial);
  return chosen;
}

}  // namespace flatenn::cli
