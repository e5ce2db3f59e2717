#include "cli/standing_table.h"

#include <algorithm>
#include <cstdio>

#include "cli/text_table.h"
#include "flatenn/base/error.h"
#include "flatenn/base/printable.h"

namespace flatenn::cli {

void print_standing(const campaign::PlanStanding& plan) {
  print_wrapped(detail::concat(
      "plan '", printable(plan.name), "': ", plan.stored(), " trials stored, ",
      plan.finished_cells(), " of ", plan.cells.size(), " cells finished",
      plan.finished()
          ? std::string()
          : detail::concat(", ", plan.missing(), " trials to run before the next decision"),
      plan.is_search ? " (of the rates looked at so far)" : ""));
}

void print_open_cells(const campaign::PlanStanding& plan) {
  constexpr int64_t kMost = 20;
  int64_t open = 0;
  for (const campaign::CellStanding& cell : plan.cells) {
    if (cell.stop != campaign::StopReason::kRunning || ++open > kMost) continue;
    std::printf("  %s: still to run: %ld of trials 0 to %ld, the first is %ld\n",
                printable(cell.label).c_str(), std::ssize(cell.missing), cell.wanted - 1,
                cell.missing.empty() ? cell.wanted : cell.missing.front());
  }
  if (open > kMost) std::printf("  and %ld more cells\n", open - kMost);
}

nlohmann::json standing_json(const campaign::PlanStanding& plan) {
  nlohmann::json cells = nlohmann::json::array();
  for (const campaign::CellStanding& cell : plan.cells) {
    cells.push_back({{"cell", cell.label},
                     {"stored", cell.stored},
                     {"wanted", cell.wanted},
                     {"missing", std::ssize(cell.missing)},
                     {"stop", to_string(cell.stop)}});
  }
  return {{"plan", plan.name},
          {"stored", plan.stored()},
          {"missing", plan.missing()},
          {"at_most", plan.at_most()},
          {"cells", cells},
          {"finished_cells", plan.finished_cells()}};
}

}  // namespace flatenn::cli
