#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/campaign_options.h"
#include "cli/campaign_view.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/ranks.h"
#include "cli/results_table.h"
#include "cli/validators.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/log.h"
#include "flatenn/campaign/serve.h"

namespace flatenn::cli {
namespace {

void report_ending(const campaign::Plan& plan, const campaign::CampaignReport& report) {
  if (report.ending == campaign::Ending::kInterrupted) {
    log::warn("interrupted; ", report.trials,
              " trials of this run are stored, the same command goes on from there");
  } else if (report.ending == campaign::Ending::kTimeLimit) {
    log::warn("the time limit of ", plan.time_limit_s,
              " s ended the run; what it reached is not reproducible");
  }
  if (report.verified > 0) {
    log::info(report.verified, " of ", report.trials,
              " trials of this run gave the same numbers a ", "second time, on ",
              report.verified_engine);
  }
}

/// Signals end the program at once while models and images are read, and in good order from the
/// first trial on.
class StoppableView final : public campaign::Observer {
 public:
  StoppableView(std::unique_ptr<Observer> view, std::optional<InterruptGuard>& interrupt)
      : view_(std::move(view)), interrupt_(interrupt) {}
  void started(const std::string& plan, int64_t done, int64_t wanted) override {
    constexpr unsigned kLimit = 8;  // seconds; batch schedulers commonly wait 10 or more
    interrupt_.emplace(kLimit);
    view_->started(plan, done, wanted);
  }
  void advanced(int64_t trials, int64_t wanted, const campaign::CellProgress& cell) override {
    view_->advanced(trials, wanted, cell);
  }
  void cell_finished(const campaign::CellProgress& cell) override { view_->cell_finished(cell); }

 private:
  std::unique_ptr<Observer> view_;
  std::optional<InterruptGuard>& interrupt_;
};

/// A share's file alone says nothing of the campaign.
void print_share(const PlanOptions& options, const campaign::CampaignReport& report) {
  int64_t trials = 0;
  for (const campaign::CellProgress& cell : report.cells) trials += cell.trials;
  std::printf("share %s: %ld trials in %s; join the shares with flatenn merge\n",
              options.share->text().c_str(), trials, options.db.c_str());
}

void print_outcome(const store::Store& store, int64_t plan) {
  for (const campaign::PlanResult& result : campaign::load_results(store)) {
    if (result.id != plan) continue;
    print_results(result);
  }
}

/// A rank computes on one GPU: mpirun divides a machine's among its ranks.
void check_devices_of_rank(const PlanOptions& options) {
  FLATENN_CHECK(campaign_options(options).devices.size() == 1, "--engine ", options.engine,
                ": with MPI each rank computes on one GPU; start a rank for each, with --engine "
                "cuda");
}

/// With `ranks` other processes compute too.
void run_plan(const campaign::Plan& plan, const PlanOptions& options, const GlobalOptions& global,
              bool json, campaign::Transport* ranks) {
  campaign::CampaignOptions settings = campaign_options(options);
  settings.transport = ranks;
  std::optional<InterruptGuard> interrupt;
  settings.stop_requested = [&] { return interrupt && interrupt->requested(); };
  campaign::Campaign campaign(plan, settings);
  store::Store store = campaign.open_store(options.db);
  campaign::CampaignReport report;
  {
    StoppableView view(json ? make_json_view() : make_console_view(global.quiet), interrupt);
    report = campaign.run(store, view);
  }
  report_ending(plan, report);
  if (json) {
    print_json_end(report);
  } else if (options.share) {
    print_share(options, report);
  } else {
    print_outcome(store, report.plan);
  }
  if (report.ending == campaign::Ending::kInterrupted) {
    throw CLI::RuntimeError(interrupt->exit_code());
  }
}

/// The part of a rank that only computes: rank 0 tells what, and says all that there is to say.
void serve(PlanOptions options, campaign::Transport& ranks) {
  constexpr unsigned kLimit = 8;  // seconds, as rank 0's
  const std::optional<campaign::CrewFiles> files = campaign::receive_crew_files(ranks);
  if (!files) return;
  const InterruptGuard interrupt(kLimit);
  campaign::serve_campaign(ranks, [&]() -> campaign::ServedPlan {
    check_devices_of_rank(options);
    options.text = files->plan;
    campaign::Plan plan = read_plan(options);
    campaign::CampaignOptions settings = campaign_options(options);
    settings.networks = campaign::crew_networks(*files, plan);
    settings.stop_requested = [&] { return interrupt.requested(); };
    return {std::move(plan), std::move(settings)};
  });
}

void run_with_ranks(const PlanOptions& options, const GlobalOptions& global, bool json,
                    campaign::Transport& ranks) {
  bool have_files = false;
  try {
    check_devices_of_rank(options);
    const campaign::Plan plan = read_plan(options);
    campaign::send_crew_files(ranks, options.file.empty() ? "" : read_file(options.file), plan);
    have_files = true;
    run_plan(plan, options, global, json, &ranks);
  } catch (...) {
    if (have_files) {
      campaign::dismiss_ranks(ranks);
    } else {
      campaign::send_no_crew_files(ranks);
    }
    throw;
  }
  campaign::dismiss_ranks(ranks);
}

void run(PlanOptions options, const GlobalOptions& global, bool json) {
  if (!options.mpi && !started_by_mpi())
    return run_plan(read_plan(options), options, global, json, nullptr);
  const std::unique_ptr<campaign::Transport> ranks = join_ranks();
  if (!ranks) return;
  if (options.threads == 0) options.threads = threads_of_rank(*ranks);
  if (options.engine.find(':') == std::string::npos) choose_gpu(*ranks);
  if (ranks->rank() == 0) {
    run_with_ranks(options, global, json, *ranks);
  } else {
    serve(std::move(options), *ranks);
  }
}

void add_share_options(CLI::App& command, const std::shared_ptr<PlanOptions>& options) {
  auto* const share =
      command
          .add_option_function<std::string>(
              "--share",
              [options](const std::string& text) { options->share = campaign::parse_share(text); },
              "Run only this fixed part of the trials, into a file that flatenn merge joins")
          ->type_name("K/N");
  command
      .add_option_function<int64_t>(
          "--until", [options](int64_t trials) { options->share_until = trials; },
          "With --share and a half-width: run trials below this number (default: as many as the "
          "share's own spread asks for)")
      ->check(at_least(1))
      ->needs(share);
  for (const char* const name : {"--share", "--until"}) command.get_option(name)->group("Machine");
}

void print_forecast(const campaign::Forecast& forecast) {
  std::printf("pilot: %ld inferences\n", forecast.pilot_inferences);
  std::printf("%-40s  %7s  %12s  %12s  %8s  %7s\n", "cell", "mean %", "sd of maps", "sd of images",
              "control", "trials");
  for (const campaign::PlannedCell& cell : forecast.cells) {
    std::printf("%-40s  %7.2f  %12.3f  %12.3f  %8.2f  %7ld\n", cell.label.c_str(),
                100 * cell.pilot.mean, 100 * cell.pilot.between_sd, 100 * cell.pilot.within_sd,
                cell.pilot.control, cell.trials);
  }
  std::printf("images a trial: %ld of %ld; about %ld inferences (%ld with all images a trial)\n",
              forecast.images, forecast.dataset_images, forecast.inferences(),
              forecast.full_inferences());
}

nlohmann::json forecast_json(const campaign::Forecast& forecast) {
  nlohmann::json cells = nlohmann::json::array();
  for (const campaign::PlannedCell& cell : forecast.cells) {
    cells.push_back({{"cell", cell.label},
                     {"mean", cell.pilot.mean},
                     {"between_sd", cell.pilot.between_sd},
                     {"within_sd", cell.pilot.within_sd},
                     {"control", cell.pilot.control},
                     {"trials", cell.trials},
                     {"full_trials", cell.full_trials}});
  }
  return {{"pilot_inferences", forecast.pilot_inferences}, {"images", forecast.images},
          {"dataset_images", forecast.dataset_images},     {"inferences", forecast.inferences()},
          {"full_inferences", forecast.full_inferences()}, {"cells", cells}};
}

void forecast(const PlanOptions& options, bool json) {
  const campaign::Plan plan = read_plan(options);
  campaign::check_forecast(plan);
  campaign::Campaign campaign(plan, campaign_options(options));
  store::Store store = campaign.open_store(options.db);
  const campaign::Forecast result = campaign.forecast(store);
  if (json) {
    std::printf("%s\n", forecast_json(result).dump(2).c_str());
  } else {
    print_forecast(result);
  }
}

}  // namespace

void add_campaign_command(CLI::App& app, const GlobalOptions& global) {
  CLI::App* const command = app.add_subcommand(
      "campaign", "Run fault maps over a test set: models x kinds x rates x trials, into a file");
  const auto json = std::make_shared<bool>(false);
  const auto options = add_plan_options(*command);
  command->add_flag("--json", *json, "Events on stdout, one JSON object a line");
  add_share_options(*command, options);
  command
      ->add_flag("--mpi", options->mpi,
                 "Compute with the other processes of an MPI start (default: where mpirun or srun "
                 "started several)")
      ->group("Machine");
  const CLI::App* const plan =
      command
          ->add_subcommand("plan",
                           "Only run a short pilot, store it with the plan, and tell how "
                           "many maps and images the campaign will take")
          ->footer("Takes the options of flatenn campaign.");
  command->callback([options, json, plan, &global] {
    say_what_is_kept("finished trials are kept; the same command goes on from there");
    if (plan->parsed()) {
      forecast(*options, *json);
    } else {
      run(*options, global, *json);
    }
  });
}

}  // namespace flatenn::cli
