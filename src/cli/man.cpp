#include <sstream>

#include "cli/completion.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/version.h"

namespace flatenn::cli {
namespace {

/// Text of man(7): no line begins with a control character, backslashes and dashes are themselves.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool at_start = out.empty() || out.back() == '\n';
    if (at_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string names_of(const CLI::Option& option) {
  std::string names;
  for (const std::string& name : option.get_snames())
    names += (names.empty() ? "" : ", ") + std::string("-") + name;
  for (const std::string& name : option.get_lnames())
    names += (names.empty() ? "" : ", ") + std::string("--") + name;
  return names.empty() ? option.get_name(true) : names;
}

std::string option_text(const CLI::Option& option) {
  std::string text = ".TP\n.B " + roff(names_of(option));
  const bool takes = option.get_items_expected_max() > 0;
  if (takes && !option.get_type_name().empty())
    text += " \\fI" + roff(option.get_type_name()) + "\\fR";
  text += "\n" + roff(option.get_description()) + "\n";
  if (!option.get_default_str().empty())
    text += "(default: " + roff(option.get_default_str()) + ")\n";
  return text;
}

std::string commands_text(const CLI::App& command, const std::string& words) {
  std::string text;
  for (const CLI::App* sub : command.get_subcommands([](const CLI::App*) { return true; })) {
    text += ".TP\n.B " + roff(words + " " + sub->get_name()) + "\n" + roff(sub->get_description()) +
            "\n";
    for (const CLI::Option* option : sub->get_options()) {
      const bool help = option->check_lname("help");
      if (words != "flatenn" && !help) text += ".RS\n" + option_text(*option) + ".RE\n";
    }
  }
  return text;
}

std::string footer_text(const std::string& footer) {
  std::istringstream lines(footer);
  std::string text, line;
  while (std::getline(lines, line)) text += roff(line) + "\n.br\n";
  return text;
}

std::string page_name(const std::string& words) {
  std::string name = words;
  for (char& c : name) c = c == ' ' ? '-' : c;
  return name;
}

}  // namespace

std::string man_page(const CLI::App& command, const std::string& words) {
  const std::string name = page_name(words);
  std::string upper = name;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::string text = ".TH " + roff(upper) + " 1 \"\" \"flatenn " + version() + "\"\n.SH NAME\n" +
                     roff(name) + " \\- " + roff(command.get_description()) +
                     "\n.SH SYNOPSIS\n.B " + roff(words) + "\n";
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_positional()) text += "\\fI" + roff(option->get_name(true)) + "\\fR\n";
  }
  text += "[options]\n";
  const std::string commands = commands_text(command, words);
  if (!commands.empty()) text += ".SH COMMANDS\n" + commands;
  text += ".SH OPTIONS\n";
  for (const CLI::Option* option : command.get_options()) text += option_text(*option);
  if (!command.get_footer().empty()) text += ".SH NOTES\n" + footer_text(command.get_footer());
  return text;
}

int64_t write_man_pages(const CLI::App& app, const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  FLATENN_CHECK(!failure, folder.string(), ": the folder cannot be made: ", failure.message());
  write_file_atomically(folder / "flatenn.1", man_page(app, "flatenn"));
  int64_t pages = 1;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    write_file_atomically(folder / ("flatenn-" + command->get_name() + ".1"),
                          man_page(*command, "flatenn " + command->get_name()));
    ++pages;
  }
  return pages;
}

}  // namespace flatenn::cli
