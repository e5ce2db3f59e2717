#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

#include "flatenn/base/error.h"
#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

constexpr double kPercent = 100;

bool is_chosen(const nlohmann::json& tuning, const nlohmann::json& candidate) {
  const nlohmann::json chosen = tuning.value("chosen", nlohmann::json::object());
  const auto arm = chosen.find(candidate.at("arm").get<std::string>());
  if (arm == chosen.end()) return false;
  std::string settings;
  for (const nlohmann::json& setting : *arm)
    settings += detail::concat(settings.empty() ? "" : " ", setting.get<std::string>());
  return settings == candidate.at("setting").get<std::string>();
}

/// "1 %, 2 %". Tunings of older versions have one rate.
std::string rates_text(const nlohmann::json& tuning) {
  const nlohmann::json rates =
      tuning.contains("rates") ? tuning["rates"] : nlohmann::json{tuning.at("rate")};
  std::string text;
  for (const nlohmann::json& rate : rates)
    text += detail::concat(text.empty() ? "" : ", ", rate_percent(rate));
  return text;
}

/// Choices that stand where the search ended, and arms without any.
std::string open_ends(const nlohmann::json& tuning) {
  const auto at_edge = tuning.value("at_edge", nlohmann::json::object());
  const auto diverged = tuning.value("diverged", nlohmann::json::array());
  std::string text;
  for (const auto& [arm, keys] : at_edge.items()) {
    for (const nlohmann::json& key : keys)
      text += (text.empty() ? " Still at the edge of what was tried: " : "; ") + arm + ", " +
              key.get<std::string>();
  }
  if (!text.empty()) text += ".";
  for (const nlohmann::json& arm : diverged)
    text += " Every candidate of " + arm.get<std::string>() + " diverged.";
  return text;
}

Table candidate_table(const nlohmann::json& tuning) {
  Table table{
      .id = "tuning",
      .title = "Candidates",
      .caption = detail::concat(
          "Trained without ", tuning.at("hold_out").get<int64_t>(),
          " held-out training images and scored by the mean accuracy on those under ",
          tuning.at("trials").get<int64_t>(), " fault maps of each kind at ", rates_text(tuning),
          ", seed ", tuning.at("seed").get<uint64_t>(),
          ". The study's test images and fault maps were not looked at.", open_ends(tuning)),
      .columns = {{"Network", 0, "arm"},
                  {"Setting", 0, "setting"},
                  {"Under faults (%)", 2, "faulty_accuracy_percent"},
                  {"No faults (%)", 2, "accuracy_percent"},
                  {"Zeros (%)", 1, "sparsity_percent"},
                  {"Chosen", 0, "chosen"}},
      .rows = {}};
  for (const nlohmann::json& candidate : tuning.at("candidates")) {
    table.rows.push_back({candidate.at("arm").get<std::string>(),
                          candidate.at("setting").get<std::string>(),
                          kPercent * candidate.at("faulty_accuracy").get<double>(),
                          kPercent * candidate.at("accuracy").get<double>(),
                          kPercent * candidate.at("sparsity").get<double>(),
                          is_chosen(tuning, candidate) ? "yes" : ""});
  }
  return table;
}

/// Values of one key, or scores, laid onto an axis from 0 (least) to 1 (greatest): by ratio where
/// all are positive numbers, by order of appearance where some are no numbers.
class Rail {
 public:
  void add(const std::string& text) {
    if (std::find(texts_.begin(), texts_.end(), text) == texts_.end()) texts_.push_back(text);
  }

  double place(const std::string& text) const {
    std::vector<double> values;
    for (const std::string& one : texts_) values.push_back(number(one));
    const bool numbers = std::all_of(values.begin(), values.end(), [](double v) { return v > 0; });
    const auto at = std::find(texts_.begin(), texts_.end(), text) - texts_.begin();
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = numbers ? std::log(values[i]) : static_cast<double>(i);
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    return *high > *low ? (values[static_cast<size_t>(at)] - *low) / (*high - *low) : 0.5;
  }

 private:
  /// NaN where it is no number.
  static double number(const std::string& text) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    return *end == '\0' && end != text.c_str() ? value : std::nan("");
  }

  std::vector<std::string> texts_;
};

constexpr const char* kScoreRail = "accuracy under faults";

/// "key" and value of each setting, and the score last.
std::vector<std::pair<std::string, std::string>> coordinates(const nlohmann::json& candidate) {
  std::vector<std::pair<std::string, std::string>> pairs;
  std::istringstream words(candidate.at("setting").get<std::string>());
  for (std::string word; words >> word;)
    pairs.emplace_back(word.substr(0, word.find('=')), word.substr(word.find('=') + 1));
  char score[32];
  std::snprintf(score, sizeof score, "%.4f", candidate.at("faulty_accuracy").get<double>());
  pairs.emplace_back(kScoreRail, score);
  return pairs;
}

/// Parallel coordinates of an arm's search: an axis a key and one for the score, a line a
/// candidate.
Figure search_figure(const nlohmann::json& tuning, const std::string& arm) {
  Figure figure{.id = "tuning-" + arm,
                .title = "Search for " + arm,
                .caption =
                    "A line a candidate: where its values lie between the least (0) and the "
                    "greatest (1) tried of each key, by ratio, and its accuracy under "
                    "faults. The chosen one is drawn thick; the table has the values.",
                .y = {.title = "Least to greatest tried", .min = 0, .max = 1}};
  std::map<std::string, Rail> rails;
  std::vector<std::string>& keys = figure.x.categories;
  for (const nlohmann::json& candidate : tuning.at("candidates")) {
    if (candidate.at("arm") != arm) continue;
    for (const auto& [key, value] : coordinates(candidate)) {
      rails[key].add(value);
      if (key != kScoreRail && std::find(keys.begin(), keys.end(), key) == keys.end())
        keys.push_back(key);
    }
  }
  keys.emplace_back(kScoreRail);
  for (const nlohmann::json& candidate : tuning.at("candidates")) {
    if (candidate.at("arm") != arm) continue;
    Series series{.name = candidate.at("setting").get<std::string>(),
                  .faint = !is_chosen(tuning, candidate)};
    for (const auto& [key, value] : coordinates(candidate)) {
      series.x.push_back(
          static_cast<double>(std::find(keys.begin(), keys.end(), key) - keys.begin()));
      series.y.push_back(rails.at(key).place(value));
      series.labels.push_back(detail::concat(key, " ", value));
    }
    figure.series.push_back(std::move(series));
  }
  return figure;
}

}  // namespace

Section tuning_section(const Findings& findings) {
  Section section{.id = "tuning", .title = "How settings were chosen"};
  for (const Artifact& artifact : findings.artifacts) {
    if (artifact.kind != "tuning") continue;
    Table table = candidate_table(artifact.content);
    if (!section.blocks.empty()) table.id += detail::concat("-", section.blocks.size());
    const std::string suffix = table.id.substr(std::string("tuning").size());
    section.blocks.emplace_back(std::move(table));
    std::set<std::string> arms;
    for (const nlohmann::json& candidate : artifact.content.at("candidates"))
      arms.insert(candidate.at("arm").get<std::string>());
    for (const std::string& arm : arms) {
      Figure figure = search_figure(artifact.content, arm);
      figure.id += suffix;
      section.blocks.emplace_back(std::move(figure));
    }
  }
  return section;
}

}  // namespace flatenn::report
