#include "cli/completion.h"

#include <algorithm>

#include "flatenn/base/error.h"

namespace flatenn::cli {
namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_name().empty(); });
}

/// "--help", "-h": all ways to write an option.
std::vector<std::string> flags_of(const CLI::Option& option) {
  std::vector<std::string> flags;
  for (const std::string& name : option.get_lnames()) flags.push_back("--" + name);
  for (const std::string& name : option.get_snames()) flags.push_back("-" + name);
  return flags;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

/// Options of the command and those that all commands share, then its own commands.
std::vector<std::string> words_of(const CLI::App& command, const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::App* sub : commands_of(command)) words.push_back(sub->get_name());
  const auto add = [&](const CLI::App& of) {
    for (const CLI::Option* option : of.get_options()) {
      for (const std::string& flag : flags_of(*option)) {
        if (std::find(words.begin(), words.end(), flag) == words.end()) words.push_back(flag);
      }
    }
  };
  add(command);
  if (&command != &app) add(app);
  return words;
}

/// Text inside single quotes of a shell.
std::string quoted(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c == '\n' ? ' ' : c;
    }
  }
  return out;
}

std::string bash_script(const CLI::App& app) {
  std::string cases;
  for (const CLI::App* command : commands_of(app)) {
    cases += "    " + command->get_name() + ") words='" + quoted(joined(words_of(*command, app))) +
             "' ;;\n";
  }
  return "# flatenn's completion for bash: source <(flatenn completion bash)\n"
         "_flatenn() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} command='' word words\n"
         "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
         "    [[ $word == -* ]] || { command=$word; break; }\n"
         "  done\n"
         "  case $command in\n" +
         cases + "    *) words='" + quoted(joined(words_of(app, app))) +
         "' ;;\n"
         "  esac\n"
         "  [[ -n $command && $current != -* ]] && COMPREPLY=($(compgen -f -- \"$current\"))\n"
         "  COMPREPLY+=($(compgen -W \"$words\" -- \"$current\"))\n"
         "}\n"
         "complete -o filenames -F _flatenn flatenn\n";
}

/// Text of _describe's "name:description".
std::string described(const std::string& name, const std::string& text) {
  std::string safe;
  for (const char c : name) safe += c == ':' ? std::string("\\:") : std::string(1, c);
  return detail::concat("'", quoted(safe + ":" + text), "'");
}

std::string zsh_commands(const CLI::App& command) {
  std::string list;
  for (const CLI::App* sub : commands_of(command))
    list += detail::concat(" ", described(sub->get_name(), sub->get_description()));
  return list;
}

/// Each option once: a command's own, then those that all commands share.
std::string zsh_options(const CLI::App& command, const CLI::App& app) {
  std::string list;
  std::vector<std::string> told;
  for (const CLI::App* of : {&command, &app}) {
    for (const CLI::Option* option : of->get_options()) {
      for (const std::string& flag : flags_of(*option)) {
        if (std::find(told.begin(), told.end(), flag) != told.end()) continue;
        told.push_back(flag);
        list += " " + described(flag, option->get_description());
      }
    }
  }
  return list;
}

std::string zsh_case(const std::string& pattern, const CLI::App& command, const CLI::App& app) {
  return "    " + pattern + ")\n      flatenn_commands=(" + zsh_commands(command) +
         " )\n      flatenn_options=(" + zsh_options(command, app) + " ) ;;\n";
}

std::string zsh_script(const CLI::App& app) {
  std::string cases;
  for (const CLI::App* command : commands_of(app))
    cases += zsh_case(command->get_name(), *command, app);
  // No variable is named `words`: zsh keeps the line in it, and a local one would hide that.
  return "#compdef flatenn\n"
         "# flatenn's completion for zsh: a file _flatenn in a folder of $fpath\n"
         "_flatenn() {\n"
         "  local -a flatenn_commands flatenn_options flatenn_before\n"
         "  flatenn_before=(${(@)words[2,CURRENT-1]:#-*})\n"
         "  case $flatenn_before[1] in\n" +
         cases + zsh_case("*", app, app) +
         "  esac\n"
         "  _describe command flatenn_commands\n"
         "  _describe -o option flatenn_options\n"
         "  [[ -n $flatenn_before[1] && $PREFIX != -* ]] && _files\n"
         "}\n"
         "if [[ $funcstack[1] = _flatenn ]]; then _flatenn \"$@\"; else compdef _flatenn flatenn; "
         "fi\n";
}

std::string fish_option(const std::string& command, const CLI::Option& option) {
  std::string line = "complete -c flatenn";
  if (!command.empty()) line += " -n '__fish_seen_subcommand_from " + command + "'";
  for (const std::string& name : option.get_lnames()) line += " -l " + name;
  for (const std::string& name : option.get_snames()) line += " -s " + name;
  if (option.get_items_expected_max() > 0) line += " -r";
  return line + " -d '" + quoted(option.get_description()) + "'\n";
}

std::string fish_script(const CLI::App& app) {
  std::string text = "# flatenn's completion for fish\n";
  for (const CLI::App* command : commands_of(app)) {
    text += "complete -c flatenn -n __fish_use_subcommand -f -a " + command->get_name() + " -d '" +
            quoted(command->get_description()) + "'\n";
    for (const CLI::App* sub : commands_of(*command)) {
      text += "complete -c flatenn -n '__fish_seen_subcommand_from " + command->get_name() +
              "' -a " + sub->get_name() + " -d '" + quoted(sub->get_description()) + "'\n";
    }
    for (const CLI::Option* option : command->get_options()) {
      if (!option->get_lnames().empty() || !option->get_snames().empty())
        text += fish_option(command->get_name(), *option);
    }
  }
  for (const CLI::Option* option : app.get_options()) text += fish_option("", *option);
  return text;
}

}  // namespace

std::string completion_script(const CLI::App& app, const std::string& shell) {
  if (shell == "bash") return bash_script(app);
  if (shell == "zsh") return zsh_script(app);
  if (shell == "fish") return fish_script(app);
  throw Error("completion: expected bash, zsh or fish, got '" + shell + "'");
}

}  // namespace flatenn::cli
