#include "cli/standing_table.h"

#include <algorithm>
#include <cstdio>

#include "cli/text_table.h"
#include "flatenn/base/error.h"
#include "flatenn/base/printable.h"

namespace flatenn::cli {

namespace {

/// "at most 300 trials left, 20 of them before the next decision"
std::string left_of(const campaign::PlanStanding& plan) {
  if (plan.finished()) return "";
  if (!plan.may_end_early) return detail::concat(", ", plan.left(), " trials left");
  return detail::concat(", at most ", plan.left(), " trials left, ", plan.missing(),
                        " of them before the next decision");
}

/// "shares 2, 4-16 of 16"
std::string names_of(const std::vector<int64_t>& indices, int64_t of) {
  if (indices.size() == 1) return "share " + campaign::Share{indices.front(), of}.text();
  std::string list;
  for (size_t first = 0; first < indices.size();) {
    size_t last = first;
    while (last + 1 < indices.size() && indices[last + 1] == indices[last] + 1) ++last;
    list += (first == 0 ? "" : ", ") + std::to_string(indices[first]);
    if (last > first) list += "-" + std::to_string(indices[last]);
    first = last + 1;
  }
  return detail::concat("shares ", list, " of ", of);
}

/// Those that are there, or those that are not.
void print_shares(const std::vector<campaign::OpenShare>& open, bool there) {
  std::vector<int64_t> indices;
  int64_t missing = 0;
  for (const campaign::OpenShare& each : open) {
    if (each.is_there != there) continue;
    indices.push_back(each.share.index);
    missing += each.missing;
  }
  if (indices.empty()) return;
  const bool one = indices.size() == 1;
  const char* const what = there ? (one ? " has more to run: " : " have more to run: ")
                                 : (one ? " is missing: " : " are missing: ");
  print_wrapped(
      detail::concat("  ", names_of(indices, open.front().share.of), what, missing, " trials"), 4);
}

}  // namespace

void print_standing(const campaign::PlanStanding& plan, int64_t files) {
  print_wrapped(
      detail::concat("plan '", printable(plan.name), "': ", plan.stored(), " trials stored",
                     files > 1 ? detail::concat(" in ", files, " files") : "", ", ",
                     plan.finished_cells(), " of ", plan.cells.size(), " cells finished",
                     left_of(plan), plan.is_search ? " (of the rates looked at so far)" : ""));
}

void print_open_shares(const campaign::PlanStanding& plan) {
  const std::vector<int64_t> divisions = campaign::divisions_of(plan);
  if (divisions.size() > 1) {
    std::string numbers;
    for (const int64_t of : divisions)
      numbers += (numbers.empty() ? "" : " and of ") + std::to_string(of);
    print_wrapped("  the files are shares of " + numbers, 4);
  }
  const std::vector<campaign::OpenShare> open = campaign::open_shares(plan);
  print_shares(open, /*there=*/false);
  print_shares(open, /*there=*/true);
}

nlohmann::json open_shares_json(const campaign::PlanStanding& plan) {
  nlohmann::json list = nlohmann::json::array();
  for (const campaign::OpenShare& each : campaign::open_shares(plan))
    list.push_back(
        {{"share", each.share.text()}, {"missing", each.missing}, {"is_there", each.is_there}});
  return list;
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
          {"left", plan.left()},
          {"cells", cells},
          {"finished_cells", plan.finished_cells()}};
}

}  // namespace flatenn::cli
