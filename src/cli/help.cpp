#include "cli/help.h"

#include <algorithm>
#include <map>
#include <memory>
#include <sstream>
#include <string_view>

#include "cli/examples.h"
#include "cli/text_table.h"

namespace flatenn::cli {
namespace {

constexpr size_t kDescriptionColumn = 30;
/// Narrower terminals have descriptions on lines of their own.
constexpr int64_t kSideBySide = 60;
constexpr size_t kBelowIndent = 6;
/// Digits of a bound that somebody may meet.
constexpr size_t kLongestBound = 6;
/// Fewer options than these are read at a glance.
constexpr size_t kManyOptions = 8;

/// Where an option stands in the help of a command with many, by its name.
const std::map<std::string_view, const char*> kGroups = {{"data", "Images"},
                                                         {"data-root", "Images"},
                                                         {"split", "Images"},
                                                         {"images", "Images"},
                                                         {"first-images", "Images"},
                                                         {"pixels", "Images"},
                                                         {"gradient-images", "Images"},
                                                         {"attack-images", "Images"},
                                                         {"kind", "Faults"},
                                                         {"shares", "Faults"},
                                                         {"encoding", "Faults"},
                                                         {"rate", "Faults"},
                                                         {"count", "Faults"},
                                                         {"voltage-table", "Faults"},
                                                         {"voltage", "Faults"},
                                                         {"layers", "Faults"},
                                                         {"spare", "Faults"},
                                                         {"bits", "Faults"},
                                                         {"trials", "Faults"},
                                                         {"seed", "Randomness"},
                                                         {"seeds", "Randomness"},
                                                         {"first-seed", "Randomness"},
                                                         {"engine", "Machine"},
                                                         {"threads", "Machine"},
                                                         {"device", "Machine"},
                                                         {"deterministic", "Machine"},
                                                         {"jobs", "Machine"},
                                                         {"nodes", "Machine"},
                                                         {"gpus", "Machine"},
                                                         {"cpus", "Machine"},
                                                         {"time", "Machine"},
                                                         {"partition", "Machine"},
                                                         {"account", "Machine"},
                                                         {"out", "Results"},
                                                         {"json", "Results"}};

void group_options(CLI::App& command) {
  const std::vector<CLI::Option*> options = command.get_options();
  const auto grouped = [](const CLI::Option* option) { return option->get_group() != "Options"; };
  const bool few = options.size() <= kManyOptions;
  if (!few && std::none_of(options.begin(), options.end(), grouped)) {
    for (CLI::Option* option : options) {
      if (option->get_lnames().empty()) continue;
      const auto group = kGroups.find(option->get_lnames().front());
      if (group != kGroups.end()) option->group(group->second);
    }
  }
  for (CLI::App* sub : command.get_subcommands({})) group_options(*sub);
}

/// "INT:INT in [2 - 8]" as "INT in [2 - 8]", a bound that nobody meets left out; "RANGE:value in
/// {a->1,b->2} OR {1,2}" as "RANGE:{a,b}".
std::string plain_type(const std::string& type) {
  const size_t colon = type.find(':');
  if (colon == std::string::npos) return type;
  const std::string name = type.substr(0, colon), rest = type.substr(colon + 1);
  if (rest.rfind("value in ", 0) == 0) {
    std::istringstream pairs(rest.substr(rest.find('{') + 1, rest.find('}') - rest.find('{') - 1));
    std::string keys;
    for (std::string pair; std::getline(pairs, pair, ',');)
      keys += (keys.empty() ? "" : ",") + pair.substr(0, pair.find("->"));
    return name + ":{" + keys + "}";
  }
  if (rest.rfind('{', 0) == 0) return type;
  const size_t from = rest.find(" in ["), to = rest.find(" - "), end = rest.find(']');
  if (from == std::string::npos || to == std::string::npos || end == std::string::npos) return name;
  const bool endless = end - to - 3 > kLongestBound;
  if (!endless) return name + rest.substr(from);
  const std::string least = rest.substr(from + 5, to - from - 5);
  return least == "0" || least == "1" ? name : name + " >= " + least;
}

class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    const std::string help = CLI::Formatter::make_help(app, std::move(name), mode);
    return mode == CLI::AppFormatMode::Sub ? help : fit_help(help, output_columns());
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string text = CLI::Formatter::make_option_opts(option);
    const std::string type = option->get_type_name();
    const size_t at = type.empty() ? std::string::npos : text.find(type);
    if (at == std::string::npos) return text;
    return text.substr(0, at) + plain_type(type) + text.substr(at + type.size());
  }
};

void use_formatter(CLI::App& app, const std::shared_ptr<HelpFormatter>& formatter) {
  app.formatter(formatter);
  for (CLI::App* sub : app.get_subcommands({})) use_formatter(*sub, formatter);
}

/// A line of name and description, whose further lines stand below the description.
std::string fit_line(const std::string& line, int64_t columns) {
  const size_t start = line.find_first_not_of(' ');
  if (start == std::string::npos || line.rfind("  flatenn ", 0) == 0) return line;
  const bool has_description = start >= 2 && line.size() > kDescriptionColumn &&
                               line.compare(kDescriptionColumn - 2, 2, "  ") == 0 &&
                               line[kDescriptionColumn] != ' ';
  if (!has_description) return wrapped(line, columns, start + 2);
  if (columns >= kSideBySide) return wrapped(line, columns, kDescriptionColumn);
  std::string name = line.substr(0, kDescriptionColumn);
  name.erase(name.find_last_not_of(' ') + 1);
  const std::string below = std::string(kBelowIndent, ' ') + line.substr(kDescriptionColumn);
  return (name.empty() ? "" : wrapped(name, columns, kBelowIndent) + "\n") +
         wrapped(below, columns, kBelowIndent);
}

}  // namespace

std::string fit_help(const std::string& help, int64_t columns) {
  std::istringstream lines(help);
  std::string text;
  bool blank = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() && blank) continue;  // one empty line between groups, not two
    blank = line.empty();
    text += (columns > 0 ? fit_line(line, columns) : line) + "\n";
  }
  return text;
}

void set_up_help(CLI::App& app) {
  add_examples(app);
  group_options(app);
  use_formatter(app, std::make_shared<HelpFormatter>());
}

}  // namespace flatenn::cli
