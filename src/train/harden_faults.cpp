#include "train/harden_faults.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/hash.h"
#include "flatenn/base/progress.h"
#include "flatenn/campaign/campaign.h"
#include "flatenn/campaign/results.h"
#include "flatenn/interop/onnx.h"
#include "flatenn/net/content_hash.h"
#include "train/checkpoint_file.h"

namespace flatenn::train {
namespace {

constexpr int64_t kTrials = 30;
constexpr const char* kDatabase = "faults.db";

using Networks = std::vector<std::shared_ptr<const net::Network>>;

class TrialProgress : public campaign::Observer {
 public:
  explicit TrialProgress(bool quiet) : quiet_(quiet) {}

  void started(const std::string&, int64_t done, int64_t wanted) override {
    before_ = done;
    progress_.emplace(Progress::Options{.title = "faults",
                                        .total = wanted,
                                        .unit = "trials",
                                        .done_before = done,
                                        .quiet = quiet_});
  }
  void advanced(int64_t trials, int64_t, const campaign::CellProgress&) override {
    if (before_ > 0) {  // the first news tells what was there before
      before_ = 0;
      return;
    }
    progress_->advance(trials);
  }

 private:
  bool quiet_;
  int64_t before_ = 0;
  std::optional<Progress> progress_;
};

std::string quoted(const std::string& text) { return nlohmann::json(text).dump(); }

/// Of what decides the numbers, so that a folder whose training went on keeps both answers.
std::string plan_name(const Networks& networks, const HardenRequest& request) {
  Hasher hasher;
  for (const auto& network : networks) hasher.update(net::content_hash(*network));
  hasher.update(std::to_string(request.trials) + "," + std::to_string(request.images));
  if (!request.plan.empty()) hasher.update(read_file(request.plan));
  return "harden " + hasher.hex_digest().substr(0, 8);
}

campaign::Plan plan_of(const HardenRequest& request, const Networks& networks,
                       const std::string& dataset) {
  const bool own = !request.plan.empty();
  Config config = own ? Config::from_file(request.plan) : Config::from_string("", "harden");
  for (const char* key : {"models", "data", "name"}) config.remove(key);
  const std::filesystem::path out = std::filesystem::absolute(request.training.out);
  config.set("name=" + quoted(plan_name(networks, request)));
  config.set("models=[" + quoted((out / kGivenNetworkFile).string()) + "," +
             quoted((out / "model.onnx").string()) + "]");
  config.set("data=" + quoted(dataset));
  if (request.trials > 0) config.set("trials=" + std::to_string(request.trials));
  if (!own && request.trials == 0) config.set("trials=" + std::to_string(kTrials));
  if (request.images > 0) config.set("first_images=" + std::to_string(request.images));
  const std::filesystem::path folder = request.plan.parent_path();
  campaign::Plan plan = campaign::read_plan(config, folder.empty() ? "." : folder);
  FLATENN_CHECK(plan.single_fault == campaign::SingleFault::kOff, request.plan.string(),
                ": single faults have no accuracy to compare; leave single_fault out");
  return plan;
}

std::vector<HardenCell> cells_of(const campaign::PlanResult& plan) {
  std::vector<HardenCell> cells;
  for (const campaign::PairResult& pair : plan.pairs) {
    const campaign::CellResult* before = plan.cell(pair.model_a, pair.kind, pair.level);
    const campaign::CellResult* after = plan.cell(pair.model_b, pair.kind, pair.level);
    cells.push_back({.kind = plan.kinds[static_cast<size_t>(pair.kind)],
                     .level = plan.levels[static_cast<size_t>(pair.level)].label,
                     .trials = pair.trials,
                     .before = before->accuracy.mean,
                     .before_ci = before->interval(),
                     .after = after->accuracy.mean,
                     .after_ci = after->interval(),
                     .change = pair.difference,
                     .change_ci = pair.ci});
  }
  return cells;
}

}  // namespace

std::vector<HardenCell> compare_under_faults(const HardenRequest& request,
                                             std::shared_ptr<const data::ImageSet> images,
                                             const std::string& dataset) {
  const std::filesystem::path& out = request.training.out;
  Networks networks;
  for (const char* file : {kGivenNetworkFile, "model.onnx"})
    networks.push_back(std::make_shared<net::Network>(interop::read_onnx(out / file)));
  const campaign::Plan plan = plan_of(request, networks, dataset);
  campaign::CampaignOptions options;
  options.data_root = request.training.data_root;
  options.images = std::move(images);
  options.networks = networks;
  options.plan_file = request.plan.string();
  options.stop_requested = request.training.stop_requested;
  store::Store store = store::Store::open(out / kDatabase, store::Store::Access::kWrite);
  TrialProgress observer(request.training.quiet);
  const campaign::CampaignReport report = campaign::run_campaign(plan, store, options, observer);
  if (report.ending == campaign::Ending::kInterrupted) return {};
  for (const campaign::PlanResult& result : campaign::load_results(store))
    if (result.id == report.plan) return cells_of(result);
  FLATENN_ASSERT(false, "plan ", report.plan, " is not in the store that ran it");
}

}  // namespace flatenn::train
