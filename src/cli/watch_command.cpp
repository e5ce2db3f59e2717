#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/results_table.h"
#include "cli/text_table.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/progress.h"
#include "flatenn/campaign/results.h"
#include "flatenn/report/answer.h"
#include "flatenn/report/report.h"

namespace flatenn::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct WatchOptions {
  std::string file;
  std::string html;
  double interval_s = 2;
  bool once = false;
};

/// What a plan has and wants, in trials.
struct Standing {
  int64_t done = 0;
  int64_t wanted = 0;  ///< At most: rules may end cells earlier.
  int64_t finished_cells = 0;
  int64_t cells = 0;
  bool finished() const { return finished_cells == cells; }
};

Standing standing_of(const campaign::PlanResult& plan) {
  Standing standing;
  for (const campaign::StratumResult& stratum : plan.strata) {
    if (stratum.bit < 0) continue;
    ++standing.cells;
    standing.done += stratum.tried;
    standing.wanted += stratum.wanted;
    standing.finished_cells += stratum.tried >= stratum.wanted ? 1 : 0;
  }
  const auto settings = nlohmann::json::parse(plan.settings_json, nullptr, false);
  const int64_t trials = settings.is_object() ? settings.value("trials", int64_t{0}) : 0;
  const int64_t own = plan.share ? (trials + plan.share->of - 1) / plan.share->of : trials;
  for (const campaign::CellResult& cell : plan.cells) {
    const bool running = cell.stop == campaign::StopReason::kRunning;
    ++standing.cells;
    standing.done += cell.trials();
    standing.wanted += running ? std::max(own, cell.trials()) : cell.trials();
    standing.finished_cells += running ? 0 : 1;
  }
  return standing;
}

/// Draws over itself on a terminal; elsewhere it prints what changed.
class Screen {
 public:
  void show(const std::string& text) {
    if (text == last_) return;
    if (terminal_ && lines_ > 0) std::printf("\033[%ldA\033[J", lines_);
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
    lines_ = std::count(text.begin(), text.end(), '\n');
    last_ = text;
  }
  bool is_terminal() const { return terminal_; }

 private:
  bool terminal_ = ::isatty(STDOUT_FILENO) == 1;
  int64_t lines_ = 0;
  std::string last_;
};

class Watcher {
 public:
  explicit Watcher(const WatchOptions& options) : options_(options) {}

  /// Whether something is still to come.
  bool look() {
    std::vector<campaign::PlanResult> plans = campaign::load_results(options_.file);
    for (campaign::PlanResult& plan : plans) plan = with_printable_names(std::move(plan));
    if (!options_.html.empty()) write_page();
    std::string text;
    int64_t done = 0, wanted = 0;
    bool running = plans.empty();
    for (const campaign::PlanResult& plan : plans) {
      const Standing standing = standing_of(plan);
      done += standing.done;
      wanted += standing.wanted;
      running = running || !standing.finished();
      text += line_of(plan, standing);
    }
    if (plans.empty()) text = options_.file + ": holds no campaigns yet\n";
    if (running) text += pace(done, wanted);
    screen_.show(text);
    return running;
  }

 private:
  std::string line_of(const campaign::PlanResult& plan, const Standing& standing) const {
    const int64_t columns = screen_.is_terminal() ? output_columns() : 0;
    const ProgressState state{.title = plan.name,
                              .unit = "trials",
                              .done = standing.done,
                              .total = std::max<int64_t>(standing.wanted, 1)};
    std::string text = progress_line(state, columns > 0 ? columns - 1 : 0) + "\n";
    std::string cells = "  " + std::to_string(standing.finished_cells) + " of " +
                        std::to_string(standing.cells) + " cells finished. " +
                        report::answer_of(plan);
    return text + (columns > 0 ? cut_to_columns(cells, columns - 1) : cells) + "\n";
  }

  /// From what came since the first look.
  std::string pace(int64_t done, int64_t wanted) {
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    if (first_ < 0) first_ = done;
    const double rate = seconds > 0 ? static_cast<double>(done - first_) / seconds : 0;
    if (rate <= 0) return screen_.is_terminal() ? "  waiting for trials\n" : "";
    char text[96];
    std::snprintf(text, sizeof text, "  %.3g trials/s, at most %s left\n", rate,
                  format_duration(static_cast<double>(wanted - done) / rate).c_str());
    return text;
  }

  void write_page() const {
    const report::Findings findings = report::collect({options_.file});
    const auto seconds = static_cast<int64_t>(std::max(5.0, options_.interval_s));
    write_file_atomically(options_.html, report::render_live_page(findings, seconds));
  }

  const WatchOptions& options_;
  Screen screen_;
  Clock::time_point start_ = Clock::now();
  int64_t first_ = -1;
};

void run(const WatchOptions& options) {
  const InterruptGuard interrupt;
  Watcher watcher(options);
  while (watcher.look() && !options.once && !interrupt.requested()) {
    const auto until = Clock::now() + std::chrono::duration<double>(options.interval_s);
    while (Clock::now() < until && !interrupt.requested())
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace

void add_watch_command(CLI::App& app, const GlobalOptions&) {
  auto options = std::make_shared<WatchOptions>();
  auto* command = app.add_subcommand(
      "watch", "Look on while a campaign runs, from another terminal or machine");
  command->add_option("file", options->file, "Result file of flatenn campaign")->required();
  command->add_option("--interval", options->interval_s, "Seconds between looks (default: 2)")
      ->check(CLI::Range(0.1, 86400.0));
  command->add_option("--html", options->html, "Also write the report, as a page that loads anew");
  command->add_flag("--once", options->once, "Look once and end");
  command->callback([options] { run(*options); });
}

}  // namespace flatenn::cli
