#include <algorithm>
#include <cmath>
#include <map>

#include "flatenn/base/error.h"
#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

using nlohmann::json;

constexpr const char* kDagger = " \u2020";

std::string text_at(const json& row, const char* key) { return row.at(key).get<std::string>(); }

double points(const json& number) { return kPoints * number.get<double>(); }

std::string interval_text(const json& interval) {
  if (!interval.is_array()) return "";
  return detail::concat("[", fixed(points(interval.at(0)), 1), ", ",
                        fixed(points(interval.at(1)), 1), "]");
}

std::string mark_of(const std::string& verdict) {
  if (verdict == "confirmed") return "\u2713";
  if (verdict == "refuted") return "\u2717";
  return verdict == "undecided" ? "?" : "";
}

/// "two's 2 %".
std::string storage_name(const std::string& encoding) {
  static const std::map<std::string, std::string> kShort = {{"twos_complement", "two's"},
                                                            {"offset_binary", "offset"},
                                                            {"gray", "gray"},
                                                            {"sign_magnitude", "sign"},
                                                            {"differential_pair", "pair"}};
  const auto found = kShort.find(encoding);
  return found == kShort.end() ? encoding : found->second;
}

std::string cell_name(const json& row) {
  return storage_name(text_at(row, "encoding")) + " " + rate_percent(row.at("rate").get<double>());
}

/// "w4a4, ends 8, tied: saq-standard - sgd-standard".
std::string row_name(const json& row) {
  return text_at(row, "bits") + ", ends " + text_at(row, "first_last") + ", " +
         text_at(row, "quantizer") + ": " + text_at(row, "better");
}

std::string note_of(const json& row) {
  std::string note = text_at(row, "better") + " - " + text_at(row, "worse") + ", " +
                     std::to_string(row.at("seeds").get<int64_t>()) + " seeds";
  const std::string interval = interval_text(row.at("method_ci"));
  if (!interval.empty()) note += ", " + interval;
  note += ": " + text_at(row, "verdict");
  if (const std::string broken = text_at(row, "broken"); !broken.empty()) note += "; " + broken;
  return note;
}

template <typename Value>
size_t place_of(std::vector<Value>& values, const Value& value) {
  const auto found = std::find(values.begin(), values.end(), value);
  if (found != values.end()) return static_cast<size_t>(found - values.begin());
  values.push_back(value);
  return values.size() - 1;
}

/// Cells of one comparison on one network under one kind of fault.
HeatMap map_of(const std::vector<const json*>& rows, const json& comparison) {
  const json& first = *rows.front();
  HeatMap map{.id = "regimes-" + slug(text_at(first, "comparison") + "-" +
                                      text_at(first, "network") + "-" + text_at(first, "kind")),
              .title = text_at(comparison, "statement") + ": " + text_at(first, "network") + ", " +
                       kind_title(text_at(first, "kind")),
              .caption = "Points of " + text_at(first, "quantity") + ", " +
                         text_at(first, "better") + " less " + text_at(first, "worse") +
                         " and the like, mean over seeds. \u2713 confirmed, \u2717 refuted, "
                         "? claimed and undecided; cells without a mark are exploratory. \u2020: "
                         "codes of the network compared with are out of their range, so a fault of "
                         "one high bit outweighs its layer.",
              .x_title = "Storage and share of faulty bits",
              .y_title = "Regime",
              .value_title = "Gain (points)",
              .decimals = 0,
              .differences = true};
  std::map<std::string, bool> broken;
  for (const json* row : rows) broken[row_name(*row)] |= !text_at(*row, "broken").empty();
  for (const json* row : rows) {
    place_of(map.columns, cell_name(*row));
    place_of(map.rows, row_name(*row) + (broken[row_name(*row)] ? kDagger : ""));
  }
  map.values.assign(map.rows.size(), std::vector<double>(map.columns.size(), kNoNumber));
  map.marks.assign(map.rows.size(), std::vector<std::string>(map.columns.size()));
  map.notes = map.marks;
  for (const json* row : rows) {
    const size_t r = place_of(map.rows, row_name(*row) + (broken[row_name(*row)] ? kDagger : ""));
    const size_t c = place_of(map.columns, cell_name(*row));
    map.values[r][c] = points(row->at("gain"));
    map.marks[r][c] = mark_of(text_at(*row, "verdict"));
    map.notes[r][c] = note_of(*row);
  }
  return map;
}

void add_maps(const json& content, const json& comparison, Section& section) {
  std::vector<std::string> keys;
  std::vector<std::vector<const json*>> groups;
  for (const json& row : content.at("rows")) {
    if (row.at("comparison") != comparison.at("id")) continue;
    const size_t group = place_of(keys, text_at(row, "network") + "\n" + text_at(row, "kind"));
    if (group == groups.size()) groups.emplace_back();
    groups[group].push_back(&row);
  }
  for (const auto& rows : groups) section.blocks.emplace_back(map_of(rows, comparison));
}

Table claimed_table(const json& content) {
  Table table{.id = "regimes",
              .title = "Claimed cells",
              .caption =
                  "Fixed in the definition beforehand; Holm's correction runs over all of them. "
                  "Every other cell is exploratory: it stands in the maps and in regimes.csv.",
              .columns = {{"Claim", 0, "comparison"},
                          {"Regime", 0, "regime"},
                          {"Compared", 0, "arms"},
                          {"Storage", 0, "encoding"},
                          {"Fault", 0, "kind"},
                          {"Rate (%)", 2, "rate_percent"},
                          {"Gain (points)", 2, "gain_points"},
                          {"95 % over seeds", 0, "method_ci_points"},
                          {"Holm's p", 4, "holm_p_value"},
                          {"Verdict", 0, "verdict"},
                          {"Why", 0, "reason"},
                          {"Compared with, under faults (%)", 2, "worse_accuracy_percent"},
                          {"Without (%)", 2, "worse_golden_percent"},
                          {"Least code rms", 2, "code_rms"},
                          {"Codes out of range", 0, "broken"}},
              .rows = {},
              .open = true};
  for (const json& row : content.at("rows")) {
    if (!row.at("claimed").get<bool>()) continue;
    const json& holm = row.at("holm_p_value");
    table.rows.push_back(
        {text_at(row, "comparison"), text_at(row, "regime"),
         text_at(row, "better") + " - " + text_at(row, "worse"), text_at(row, "encoding"),
         kind_title(text_at(row, "kind")), points(row.at("rate")), points(row.at("gain")),
         interval_text(row.at("method_ci")), holm.is_number() ? holm.get<double>() : kNoNumber,
         text_at(row, "verdict"), text_at(row, "reason"), points(row.at("worse_accuracy")),
         points(row.at("worse_golden")), row.at("code_rms").get<double>(), text_at(row, "broken")});
  }
  return table;
}

const json* extreme(const std::vector<const json*>& rows, bool greatest) {
  const auto less = [](const json* a, const json* b) {
    return a->at("gain").get<double>() < b->at("gain").get<double>();
  };
  return greatest ? *std::max_element(rows.begin(), rows.end(), less)
                  : *std::min_element(rows.begin(), rows.end(), less);
}

std::string where(const json& row) {
  return fixed(points(row.at("gain")), 1) + " points (" + text_at(row, "regime") + ", " +
         text_at(row, "better") + ", " + text_at(row, "encoding") + ", " +
         kind_title(text_at(row, "kind")) + " at " + rate_percent(row.at("rate").get<double>()) +
         ")";
}

/// "SAQ gains under faults: claimed in 24 cells, confirmed in 10, ... Over all 200 cells the
/// difference goes from ... to ...".
std::string summary_of(const json& content, const json& comparison) {
  std::map<std::string, int64_t> verdicts;
  std::vector<const json*> rows;
  for (const json& row : content.at("rows")) {
    if (row.at("comparison") != comparison.at("id")) continue;
    rows.push_back(&row);
    ++verdicts[text_at(row, "verdict")];
  }
  if (rows.empty()) return "";
  std::string text = text_at(comparison, "statement") + ": ";
  const auto claimed = static_cast<int64_t>(rows.size()) - verdicts["exploratory"];
  if (claimed == 0) {
    text += "exploratory.";
  } else {
    text += detail::concat("claimed in ", claimed, " cells: confirmed in ", verdicts["confirmed"],
                           ", refuted in ", verdicts["refuted"], ", undecided in ",
                           verdicts["undecided"], ".");
  }
  return text + detail::concat(" Over all ", rows.size(), " cells the difference goes from ",
                               where(*extreme(rows, false)), " to ", where(*extreme(rows, true)),
                               ".");
}

void add_left_out(const json& content, Section& section) {
  std::string text;
  for (const json& regime : content.at("left_out"))
    text += text_at(regime, "regime") + ": " + text_at(regime, "reason") + "\n";
  if (!text.empty()) section.blocks.emplace_back(Listing{"Combinations that do not exist", text});
  text.clear();
  for (const json& line : content.at("not_run")) text += line.get<std::string>() + "\n";
  if (!text.empty()) section.blocks.emplace_back(Listing{"Not run, or to be kept in mind", text});
}

}  // namespace

Section regimes_section(const Findings& findings) {
  Section section{.id = "regimes", .title = "Where the claims hold"};
  for (const Artifact& artifact : findings.artifacts) {
    if (artifact.kind != "regimes") continue;
    const json& content = artifact.content;
    for (const json& comparison : content.at("comparisons")) {
      const std::string summary = summary_of(content, comparison);
      if (!summary.empty()) section.blocks.emplace_back(Paragraph{.text = summary});
    }
    for (const json& comparison : content.at("comparisons")) add_maps(content, comparison, section);
    Table table = claimed_table(content);
    if (!table.rows.empty()) section.blocks.emplace_back(std::move(table));
    add_left_out(content, section);
  }
  return section;
}

}  // namespace flatenn::report
