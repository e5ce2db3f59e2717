#include "flatenn/report/paper.h"

#include <cmath>

#include "flatenn/base/error.h"
#include "report/format.h"

namespace flatenn::report {
namespace {

constexpr const char* kMissing = "–";

std::string cell_text(const campaign::CellResult* cell) {
  if (cell == nullptr || cell->accuracy.count == 0) return kMissing;
  const std::string mean = fixed(kPercent * cell->accuracy.mean, 2);
  const double half = cell->interval().half_width();
  return std::isfinite(half) ? mean + " ± " + fixed(kPercent * half, 2) : mean;
}

/// "over 100 fault maps, ± half its 95 % interval", or "over 20 to 300 ...".
std::string trials_words(const campaign::PlanResult& plan) {
  int64_t least = 0, most = 0;
  for (const campaign::CellResult& cell : plan.cells) {
    const int64_t count = cell.accuracy.count;
    least = least == 0 ? count : std::min(least, count);
    most = std::max(most, count);
  }
  if (most == 0) return "; no trial is finished yet";
  const std::string maps = least == most
                               ? detail::concat(most, most == 1 ? " fault map" : " fault maps")
                               : detail::concat(least, " to ", most, " fault maps");
  return " over " + maps + (most > 1 ? ", ± half its 95 % interval" : ", without an interval");
}

std::string caption_of(const campaign::PlanResult& plan) {
  std::string text = "Mean accuracy (%) on " + std::to_string(plan.dataset_images) + " images of " +
                     plan.dataset + trials_words(plan);
  const std::string faults = fault_words(plan);
  if (!faults.empty()) text += "; faults in " + faults;
  return text + ". Seed " + std::to_string(plan.seed) + ".";
}

Table strata_table(const campaign::PlanResult& plan) {
  Table table{.id = slug(plan.name),
              .title = plan.name,
              .caption = "Single faults that change a top-1 answer, by layer and bit.",
              .columns = {{"Network"},
                          {"Faults"},
                          {"Layer"},
                          {"Bit"},
                          {"Tried"},
                          {"Critical (%)"},
                          {"95 % interval"}},
              .rows = {}};
  for (const campaign::StratumResult& stratum : plan.strata) {
    const bool tried = stratum.tried > 0;
    table.rows.push_back(
        {plan.models[static_cast<size_t>(stratum.model)].name,
         kind_title(plan.kinds[static_cast<size_t>(stratum.kind)]), stratum.layer_name,
         stratum.bit < 0 ? std::string("all") : std::to_string(stratum.bit),
         std::to_string(stratum.tried), tried ? fixed(kPercent * stratum.share, 2) : kMissing,
         tried ? fixed(kPercent * stratum.ci.low, 2) + " to " + fixed(kPercent * stratum.ci.high, 2)
               : kMissing});
  }
  return table;
}

/// Text in LaTeX's body mode.
std::string latex(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (std::string("&%$#_{}").find(c) != std::string::npos) {
      out += '\\';
      out += c;
    } else if (c == '~') {
      out += "\\textasciitilde{}";
    } else if (c == '^') {
      out += "\\textasciicircum{}";
    } else if (c == '\\') {
      out += "\\textbackslash{}";
    } else if (c == '<' || c == '>') {
      out += std::string("$") + c + "$";
    } else if (text.compare(i, 2, "±") == 0) {
      out += "$\\pm$";
      i += 1;
    } else if (text.compare(i, 3, "−") == 0) {
      out += "$-$";
      i += 2;
    } else if (text.compare(i, 3, kMissing) == 0) {
      out += "--";
      i += 2;
    } else if (text.compare(i, 3, "≥") == 0) {
      out += "$\\geq$";
      i += 2;
    } else {
      out += c;
    }
  }
  return out;
}

std::string text_of(const Field& field, const Column& column) {
  if (const auto* text = std::get_if<std::string>(&field)) return *text;
  if (const auto* bound = std::get_if<Bound>(&field))
    return bound->sign + " " + fixed(bound->value, column.decimals);
  return fixed(std::get<double>(field), column.decimals);
}

std::vector<std::vector<std::string>> texts_of(const Table& table) {
  std::vector<std::vector<std::string>> lines(1);
  for (const Column& column : table.columns) lines[0].push_back(column.title);
  for (const auto& row : table.rows) {
    lines.emplace_back();
    for (size_t i = 0; i < row.size(); ++i)
      lines.back().push_back(text_of(row[i], table.columns[i]));
  }
  return lines;
}

/// A column of numbers, or of what is missing, but no words.
bool is_numeric(const std::vector<std::vector<std::string>>& lines, size_t column) {
  for (size_t row = 1; row < lines.size(); ++row) {
    const std::string& text = lines[row][column];
    if (text != kMissing && !text.empty() && text.find_first_of("0123456789") != 0) return false;
  }
  return true;
}

/// Names are text: neither columns nor emphasis nor HTML.
std::string markdown(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::string("|\\*_`[]<>").find(c) != std::string::npos) out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

}  // namespace

Table paper_table(const campaign::PlanResult& plan) {
  if (plan.single_fault) return strata_table(plan);
  Table table{.id = slug(plan.name), .title = plan.name, .caption = caption_of(plan)};
  table.columns = {{"Network"}, {"Faults"}, {"No faults"}};
  for (const campaign::Level& level : plan.levels)
    table.columns.push_back(
        {level.count || level.voltage ? level.label : rate_percent(level.rate)});
  for (size_t model = 0; model < plan.models.size(); ++model) {
    for (size_t kind = 0; kind < plan.kinds.size(); ++kind) {
      std::vector<Field> row = {plan.models[model].name, kind_title(plan.kinds[kind]),
                                fixed(kPercent * plan.models[model].golden_accuracy, 2)};
      for (size_t level = 0; level < plan.levels.size(); ++level) {
        row.emplace_back(cell_text(plan.cell(
            static_cast<int64_t>(model), static_cast<int64_t>(kind), static_cast<int64_t>(level))));
      }
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

std::string to_latex(const Table& table) {
  const auto lines = texts_of(table);
  std::string columns;
  for (size_t i = 0; i < lines[0].size(); ++i) columns += is_numeric(lines, i) ? 'r' : 'l';
  std::string out = "\\begin{table}\n  \\centering\n  \\caption{" + latex(table.caption) +
                    "}\n  \\label{tab:" + table.id + "}\n  \\begin{tabular}{" + columns +
                    "}\n    \\toprule\n";
  for (size_t row = 0; row < lines.size(); ++row) {
    out += "    ";
    for (size_t i = 0; i < lines[row].size(); ++i)
      out += (i > 0 ? " & " : "") + latex(lines[row][i]);
    out += " \\\\\n";
    if (row == 0) out += "    \\midrule\n";
  }
  return out + "    \\bottomrule\n  \\end{tabular}\n\\end{table}\n";
}

std::string to_markdown(const Table& table) {
  const auto lines = texts_of(table);
  std::string out = "**" + markdown(table.title) + "**: " + markdown(table.caption) + "\n\n";
  for (size_t row = 0; row < lines.size(); ++row) {
    for (const std::string& text : lines[row]) out += "| " + markdown(text) + " ";
    out += "|\n";
    if (row > 0) continue;
    for (size_t i = 0; i < lines[0].size(); ++i) out += is_numeric(lines, i) ? "| ---: " : "| --- ";
    out += "|\n";
  }
  return out;
}

}  // namespace flatenn::report
