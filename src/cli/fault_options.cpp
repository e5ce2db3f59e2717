#include "cli/fault_options.h"

#include "flatenn/base/config.h"
#include "flatenn/base/error.h"
#include "flatenn/fault/fault_config.h"
#include "flatenn/fault/fault_list.h"
#include "flatenn/fault/voltage.h"
#include "flatenn/net/onnx.h"

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

fault::FaultModel model_from_flags(const FaultOptions& options, const net::Network& network) {
  fault::FaultSource source;
  source.kinds = fault::KindShares::only(fault::parse_fault_kind(options.kind));
  if (!options.shares.empty()) {
    source.kinds = {options.shares.at(0), options.shares.at(1), options.shares.at(2)};
  }
  if (options.count >= 0) source.count = options.count;
  source.layers = options.layers;
  source.spare = options.spare;
  source.bits = options.bits;
  return {.encoding = choose_encoding(options, network), .sources = {source}};
}

fault::FaultModel model_from_config(const FaultOptions& options) {
  Config config = Config::from_file(options.config);
  fault::FaultModel model =
      fault::read_fault_model(config, std::filesystem::path(options.config).parent_path());
  if (!options.encoding.empty()) model.encoding = fault::parse_encoding(options.encoding);
  return model.with_kind(fault::parse_fault_kind(options.kind));
}

double choose_rate(const FaultOptions& options, const fault::FaultModel& model) {
  if (!options.voltages.empty()) {
    return fault::VoltageTable::read(options.voltages).rate(options.voltage);
  }
  if (options.rate != -1) {
    FLATENN_CHECK(options.rate >= 0 && options.rate <= 1, "--rate must be in [0, 1], got ",
                  options.rate);
    return options.rate;
  }
  FLATENN_CHECK(!model.follows_rate(),
                "say how many faults: --rate, --count, or --voltage with its table");
  return 0;
}

}  // namespace

void add_model_option(CLI::App& app, FaultOptions& options) {
  app.add_option("model", options.model, "Frozen network (ONNX)")->required();
}

void add_map_option(CLI::App& app, FaultOptions& options) {
  app.add_option("--map", options.map,
                 "Faults from a file: a map drawn earlier or a defect list, CSV or JSON");
}

void add_draw_options(CLI::App& app, FaultOptions& options) {
  app.add_option("--config", options.config,
                 "TOML file with [[faults]], [memory] and [protection] tables");
  app.add_option("--kind", options.kind, "bit_flip, stuck_at_0 or stuck_at_1")
      ->capture_default_str();
  app.add_option("--shares", options.shares,
                 "A mix: shares of bit_flip, stuck_at_0 and stuck_at_1, summing to 1")
      ->expected(3)
      ->excludes("--kind");
  auto* rate = app.add_option("--rate", options.rate, "Bit error rate in [0, 1]");
  auto* count = app.add_option("--count", options.count, "Exactly so many faulty bits")
                    ->check(CLI::NonNegativeNumber)
                    ->excludes(rate);
  app.add_option("--voltage-table", options.voltages,
                 "CSV with the columns voltage and rate; gives the rate at --voltage")
      ->excludes(rate)
      ->excludes(count);
  app.add_option("--voltage", options.voltage, "Supply voltage in V")->needs("--voltage-table");
  app.add_option("--layers", options.layers, "Only these layers")->delimiter(',');
  app.add_option("--spare", options.spare, "Not these layers")->delimiter(',');
  app.add_option("--bits", options.bits,
                 "Only these bit positions: 0 is the least significant, -1 each word's top bit")
      ->delimiter(',');
  app.add_option("--encoding", options.encoding,
                 "twos_complement, offset_binary, gray, sign_magnitude or differential_pair "
                 "(default: the model's)");
  app.add_option("--seed", options.seed, "Seed of the maps")->capture_default_str();
  app.add_option("--trial", options.trial, "Which map of the seed")->capture_default_str();
}

fault::FaultModel model_from(const FaultOptions& options, const net::Network& network) {
  return options.config.empty() ? model_from_flags(options, network) : model_from_config(options);
}

ChosenFaults choose_faults(const FaultOptions& options) {
  const auto network = std::make_shared<const net::Network>(net::read_onnx(options.model));
  fault::FaultModel model = model_from(options, *network);
  if (!options.map.empty()) {
    const auto list = std::make_shared<fault::FaultList>(fault::read_fault_list(options.map));
    model.sources = {{.unit = fault::FaultUnit::kList, .list = list}};
  }
  ChosenFaults chosen;
  chosen.rate = choose_rate(options, model);
  chosen.injector = std::make_shared<const fault::Injector>(network, std::move(model));
  chosen.map = chosen.injector->draw(chosen.rate, options.seed, options.trial);
  return chosen;
}

}  // namespace flatenn::cli
