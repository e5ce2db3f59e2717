#include "flatenn/campaign/results.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <nlohmann/json.hpp>

#include "bindings.h"
#include "flatenn/base/error.h"
#include "flatenn/campaign/statistics.h"
#include "flatenn/report/report.h"
#include "flatenn/store/store.h"

namespace flatenn::python {
namespace {

std::vector<std::string> results(const std::filesystem::path& database) {
  const nb::gil_scoped_release nogil;
  std::vector<std::string> plans;
  for (const campaign::PlanResult& plan : campaign::load_results(database)) {
    plans.push_back(campaign::to_json(plan).dump());
  }
  return plans;
}

std::string report(const std::vector<std::filesystem::path>& inputs, const std::string& title) {
  const nb::gil_scoped_release nogil;
  report::Findings findings = report::collect(inputs);
  if (!title.empty()) findings.title = title;
  return report::render_page(findings);
}

void save_copy(const std::filesystem::path& database, const std::filesystem::path& copy) {
  const nb::gil_scoped_release nogil;
  store::Store::open(database, store::Store::Access::kRead).save_copy(copy);
}

template <typename T, typename Field>
NumpyArray<T> column(const std::vector<store::TrialRow>& rows, Field field) {
  std::vector<T> values;
  values.reserve(rows.size());
  for (const store::TrialRow& row : rows) values.push_back(static_cast<T>(row.*field));
  const size_t size = values.size();
  return to_numpy(std::move(values), {size});
}

struct StoredTrials {
  std::vector<store::TrialRow> rows;
  std::vector<store::CellRow> cells;
};

StoredTrials stored_trials(const std::filesystem::path& database, const std::string& plan) {
  const nb::gil_scoped_release nogil;
  const store::Store store = store::Store::open(database, store::Store::Access::kRead);
  const auto found = store.find_plan(plan);
  FLATENN_CHECK(found, database.string(), ": holds no plan '", plan, "'");
  StoredTrials stored{.cells = store.cells(found->id)};
  for (const store::CellRow& cell : stored.cells) {
    const auto rows = store.trials(found->id, cell.cell);
    stored.rows.insert(stored.rows.end(), rows.begin(), rows.end());
  }
  return stored;
}

nb::list cell_rows(const std::vector<store::CellRow>& cells) {
  nb::list rows;
  for (const store::CellRow& cell : cells) {
    nb::dict row;
    row["cell"] = cell.cell;
    row["model"] = cell.model;
    row["kind"] = cell.kind;
    row["level"] = cell.level;
    rows.append(row);
  }
  return rows;
}

nb::tuple trials(const std::filesystem::path& database, const std::string& plan) {
  using Row = store::TrialRow;
  const StoredTrials stored = stored_trials(database, plan);
  const std::vector<Row>& rows = stored.rows;
  nb::dict result;
  result["cell"] = column<int64_t>(rows, &Row::cell);
  result["trial"] = column<int64_t>(rows, &Row::trial);
  result["images"] = column<int64_t>(rows, &Row::images);
  result["correct"] = column<int64_t>(rows, &Row::correct);
  result["golden_correct"] = column<int64_t>(rows, &Row::golden_correct);
  result["loss"] = column<double>(rows, &Row::loss);
  result["identical"] = column<int64_t>(rows, &Row::identical);
  result["masked"] = column<int64_t>(rows, &Row::masked);
  result["sdc1_right"] = column<int64_t>(rows, &Row::sdc1_right);
  result["sdc1_wrong"] = column<int64_t>(rows, &Row::sdc1_wrong);
  result["drawn"] = column<int64_t>(rows, &Row::drawn);
  result["landed"] = column<int64_t>(rows, &Row::landed);
  return nb::make_tuple(result, cell_rows(stored.cells));
}

nb::dict summary(const std::vector<double>& values) {
  const campaign::Summary sample = campaign::summarize(values);
  const campaign::Interval student =
      campaign::student_interval(sample.mean, sample.sd, sample.count);
  const campaign::Interval skewed = campaign::skew_interval(sample);
  nb::dict result;
  result["trials"] = sample.count;
  result["mean"] = sample.mean;
  result["sd"] = sample.sd;
  result["median"] = sample.median;
  result["min"] = sample.min;
  result["p5"] = sample.p5;
  result["skew"] = sample.skew;
  result["ci_low"] = student.low;
  result["ci_high"] = student.high;
  result["skew_low"] = skewed.low;
  result["skew_high"] = skewed.high;
  return result;
}

}  // namespace

void bind_results(nb::module_& module) {
  module.def("results", results, nb::arg("database"), "Each plan of a result file, as JSON.");
  module.def(
      "trials", trials, nb::arg("database"), nb::arg("plan"),
      nb::sig("def trials(database: str | os.PathLike[str], plan: str) -> "
              "tuple[dict[str, numpy.typing.NDArray[typing.Any]], "
              "list[dict[str, int]]]"),
      "Finished trials of a plan, one column a field; its cells with their numbers of model, "
      "kind and level.");
  module.def("summary", summary, nb::arg("values"),
             nb::sig("def summary(values: collections.abc.Sequence[float]) -> "
                     "dict[str, typing.Any]"),
             "What is told about one sample, with its 95 % intervals (docs/statistics.md).");
  module.def("report", report, nb::arg("inputs"), nb::arg("title"), "One HTML page.");
  module.def("save_copy", save_copy, nb::arg("database"), nb::arg("copy"),
             "All of a result file in a new one.");
}

}  // namespace flatenn::python
