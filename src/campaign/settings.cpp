#include "campaign/settings.h"

#include "campaign/analysis.h"
#include "flatenn/base/error.h"
#include "flatenn/base/hash.h"
#include "flatenn/base/version.h"
#include "flatenn/fault/fault_config.h"
#include "flatenn/net/network.h"
#include "store/process.h"

namespace flatenn::campaign {
namespace {

using nlohmann::json;

/// Raised when the same settings come to mean something else.
constexpr int kSettingsFormat = 1;

json images_json(const ImageChoice& choice) {
  switch (choice.mode) {
    case ImageChoice::Mode::kAll:
      return "all";
    case ImageChoice::Mode::kAuto:
      return "auto";
    case ImageChoice::Mode::kCount:
      return choice.count;
  }
  return nullptr;
}

json levels_json(const Plan& plan) {
  json list = json::array();
  for (const Level& level : plan.levels) {
    json entry = level.count ? json{{"count", *level.count}} : json{{"rate", level.rate}};
    if (level.voltage) entry["voltage"] = *level.voltage;
    list.push_back(entry);
  }
  return list;
}

json single_fault_json(const Plan& plan) {
  switch (plan.single_fault) {
    case SingleFault::kOff:
      return nullptr;
    case SingleFault::kExhaustive:
      return "exhaustive";
    case SingleFault::kSampled:
      return {{"error", plan.single_fault_error}, {"confidence", plan.single_fault_confidence}};
  }
  return nullptr;
}

json strata_json(const PlanModel& model) {
  json list = json::array();
  for (const Stratum& stratum : model.strata) {
    list.push_back({{"layer", stratum.layer},
                    {"name", stratum.name},
                    {"bit", stratum.bit},
                    {"population", stratum.population},
                    {"wanted", stratum.wanted}});
  }
  return list;
}

/// One byte an image, or two, low byte first, where a byte does not hold every class.
std::vector<uint8_t> prediction_bytes(const Golden& golden) {
  std::vector<uint8_t> bytes;
  for (const uint16_t prediction : golden.predictions) {
    bytes.push_back(static_cast<uint8_t>(prediction & 0xFF));
    if (golden.classes > 256) bytes.push_back(static_cast<uint8_t>(prediction >> 8));
  }
  return bytes;
}

}  // namespace

json plan_settings(const Workload& workload) {
  const Plan& plan = workload.plan();
  json models = json::array();
  for (const PlanModel& model : workload.models()) {
    models.push_back({{"name", model.name}, {"hash", model.hash}});
  }
  json kinds = json::array();
  for (const FaultCase& kind : plan.kinds) {
    kinds.push_back({{"name", kind.name}, {"faults", fault::to_json(kind.model)}});
  }
  json settings = {{"format", kSettingsFormat},
                   {"models", models},
                   {"dataset",
                    {{"name", workload.images().name},
                     {"hash", workload.images().content_hash},
                     {"images", workload.images().count}}},
                   {"kinds", kinds},
                   {"levels", levels_json(plan)},
                   {"seed", plan.seed},
                   {"trials", plan.trials},
                   {"half_width", plan.half_width ? json(*plan.half_width) : json(nullptr)},
                   {"images", images_json(plan.images)},
                   {"single_fault", single_fault_json(plan)}};
  if (plan.stratified) settings["estimator"] = "stratified";
  if (plan.search_within)
    settings["search"] = {{"within", *plan.search_within}, {"drop", plan.tolerated_drop}};
  return settings;
}

json plan_layout(const Workload& workload, const Origin& origin) {
  const Plan& plan = workload.plan();
  json models = json::array();
  for (const PlanModel& model : workload.models()) {
    json goldens = json::array();
    for (const int64_t subject : model.subjects) {
      goldens.push_back(workload.subjects()[static_cast<size_t>(subject)].hash);
    }
    models.push_back({{"path", model.path}, {"goldens", goldens}, {"strata", strata_json(model)}});
  }
  json levels = json::array();
  for (const Level& level : plan.levels) levels.push_back(level.label);
  json layout = {
      {"plan_file", origin.plan_file},
      {"models", models},
      {"levels", levels},
      {"data", plan.dataset},
      {"split", plan.split == data::Split::kTest ? "test" : "train"},
      {"wanted_accuracy", plan.wanted_accuracy ? json(*plan.wanted_accuracy) : json(nullptr)},
      {"tolerated_drop", plan.tolerated_drop}};
  if (origin.share) layout["share"] = origin.share->text();
  return layout;
}

std::optional<Share> stored_share(const store::PlanRow& row) {
  const json layout = json::parse(row.layout);
  if (!layout.contains("share")) return std::nullopt;
  return parse_share(layout.at("share").get<std::string>());
}

void check_share(const store::Store& store, const store::PlanRow& row,
                 const std::optional<Share>& share) {
  const std::optional<Share> stored = stored_share(row);
  FLATENN_CHECK(!share || !stored || *share == *stored, store.path().string(), ": holds share ",
                stored->text(), " of plan '", row.name, "'; share ", share->text(),
                " goes into a file of its own");
}

std::optional<store::PlanRow> find_stored_plan(const store::Store& store,
                                               const Workload& workload) {
  std::optional<store::PlanRow> row = store.find_plan(workload.plan().name);
  if (!row) return std::nullopt;
  const json settings = plan_settings(workload);
  FLATENN_CHECK(
      row->fingerprint == sha256_hex(settings.dump()), store.path().string(), ": plan '", row->name,
      "' means something else there: ", describe_difference(json::parse(row->settings), settings),
      "; give this plan another name (--name) or another file");
  return row;
}

store::PlanRow store_plan(store::Store& store, const Workload& workload, const std::string& pilot,
                          const Origin& origin) {
  const data::ImageSet& images = workload.images();
  store.add_dataset({.hash = images.content_hash,
                     .name = images.name,
                     .split = workload.plan().split == data::Split::kTest ? "test" : "train",
                     .images = images.count});
  for (const Subject& subject : workload.subjects()) {
    store.add_model({.hash = subject.hash, .weight_bits = net::weight_bits(*subject.network)});
    store.add_golden({.model = subject.hash,
                      .dataset = images.content_hash,
                      .correct = subject.golden->correct,
                      .loss = subject.golden->mean_loss(),
                      .predictions = prediction_bytes(*subject.golden)});
  }
  std::vector<store::PlanModelRow> models;
  for (const PlanModel& model : workload.models()) {
    store.add_model({.hash = model.hash, .weight_bits = net::weight_bits(*model.network)});
    models.push_back({.position = static_cast<int64_t>(models.size()),
                      .hash = model.hash,
                      .name = model.name,
                      .metadata = model.network->metadata});
  }
  store::PlanRow row;
  row.name = workload.plan().name;
  row.settings = plan_settings(workload).dump();
  row.fingerprint = sha256_hex(row.settings);
  row.layout = plan_layout(workload, origin).dump();
  row.pilot = pilot;
  row.version = version();
  row.created = store::utc_now();
  row.dataset = images.content_hash;
  store.add_plan(row, models, workload.cells());
  return find_stored_plan(store, workload).value();
}

void update_layout(store::Store& store, const Workload& workload, const Origin& origin,
                   store::PlanRow& row) {
  const std::string layout = plan_layout(workload, origin).dump();
  if (layout == row.layout) return;
  store.set_layout(row.id, layout);
  row.layout = layout;
}

store::GoldenRow stored_golden(const store::Store& store, const std::string& plan,
                               const std::string& dataset, const std::string& network) {
  auto golden = store.golden(network, dataset);
  FLATENN_CHECK(golden, store.path().string(), ": plan '", plan, "' has no golden pass of network ",
                network.substr(0, 12));
  return std::move(*golden);
}

StopRule stop_rule_of(const json& settings, int64_t images_per_trial, int64_t max_trials,
                      double golden_accuracy) {
  StopRule rule;
  rule.max_trials = max_trials;
  rule.sd_floor = 1 / static_cast<double>(images_per_trial);
  if (!settings.at("half_width").is_null())
    rule.half_width = settings.at("half_width").get<double>();
  if (settings.contains("search"))
    rule.limit = limit_of(golden_accuracy, settings.at("search").at("drop").get<double>());
  return rule;
}

}  // namespace flatenn::campaign
