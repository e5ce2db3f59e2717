#include "cli/campaign_view.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "flatenn/base/progress.h"

namespace flatenn::cli {
namespace {

using campaign::CellProgress;
using nlohmann::json;

std::string cell_text(const CellProgress& cell) {
  char text[96];
  if (std::isfinite(cell.ci.half_width())) {
    std::snprintf(text, sizeof text, ": %.2f %% +- %.2f (n = %ld)", 100 * cell.mean,
                  100 * cell.ci.half_width(), cell.trials);
  } else {
    std::snprintf(text, sizeof text, ": n = %ld", cell.trials);
  }
  return cell.label + text;
}

class ConsoleView final : public campaign::Observer {
 public:
  explicit ConsoleView(bool quiet) : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1) {}

  void started(const std::string& plan, int64_t done, int64_t wanted) override {
    before_ = done;
    progress_ = std::make_unique<Progress>(Progress::Options{.title = plan,
                                                             .total = wanted,
                                                             .unit = "trials",
                                                             .done_before = done,
                                                             .quiet = quiet_,
                                                             .silent_if_short = true});
  }

  void advanced(int64_t trials, int64_t wanted, const CellProgress& cell) override {
    if (before_ > 0) {  // the first news tells what was there before
      before_ = 0;
      return;
    }
    progress_->set_total(wanted);
    progress_->set_text(cell_text(cell));
    progress_->advance(trials);
  }

  void cell_finished(const CellProgress& cell) override {
    if (!quiet_ && terminal_) std::fprintf(stderr, "\r\033[K%s\n", cell_text(cell).c_str());
  }

 private:
  bool quiet_;
  bool terminal_;  ///< Elsewhere progress lines tell enough.
  int64_t before_ = 0;
  std::unique_ptr<Progress> progress_;
};

json cell_json(const CellProgress& cell) {
  const bool known = std::isfinite(cell.ci.half_width());
  return {{"cell", cell.label},
          {"trials", cell.trials},
          {"wanted", cell.wanted},
          {"mean", cell.mean},
          {"ci", known ? json{cell.ci.low, cell.ci.high} : json(nullptr)},
          {"stop", campaign::to_string(cell.stop)}};
}

void print_event(const char* event, json fields) {
  fields["event"] = event;
  std::printf("%s\n", fields.dump().c_str());
  std::fflush(stdout);
}

class JsonView final : public campaign::Observer {
 public:
  void started(const std::string& plan, int64_t done, int64_t wanted) override {
    before_ = done;
    start_ = Clock::now();
    print_event("started", {{"plan", plan}, {"done", done}, {"wanted", wanted}});
  }
  void advanced(int64_t trials, int64_t wanted, const CellProgress& cell) override {
    done_ += trials;
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    const auto run = static_cast<double>(std::max<int64_t>(0, done_ - before_));
    json fields = cell_json(cell);
    fields["done"] = done_;
    fields["of"] = wanted;
    fields["seconds"] = seconds;
    fields["trials_per_second"] = run / std::max(seconds, 1e-9);
    fields["seconds_left"] =
        run > 0 ? json(seconds / run * static_cast<double>(std::max<int64_t>(0, wanted - done_)))
                : json(nullptr);
    print_event("progress", std::move(fields));
  }
  void cell_finished(const CellProgress& cell) override { print_event("cell", cell_json(cell)); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_;
  int64_t before_ = 0;  ///< Trials that the file held already.
  int64_t done_ = 0;
};

}  // namespace

std::unique_ptr<campaign::Observer> make_console_view(bool quiet) {
  return std::make_unique<ConsoleView>(quiet);
}

std::unique_ptr<campaign::Observer> make_json_view() { return std::make_unique<JsonView>(); }

void print_json_end(const campaign::CampaignReport& report) {
  json cells = json::array();
  for (const CellProgress& cell : report.cells) cells.push_back(cell_json(cell));
  json parts = json::array();
  for (const campaign::Part& part : report.parts)
    parts.push_back({{"name", part.name}, {"trials", part.trials}});
  print_event("ended", {{"ending", campaign::to_string(report.ending)},
                        {"trials", report.trials},
                        {"seconds", report.seconds},
                        {"engine", report.engine},
                        {"parts", parts},
                        {"verified", report.verified},
                        {"cells", cells}});
}

}  // namespace flatenn::cli
