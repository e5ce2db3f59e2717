#include "cli/campaign_options.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "cli/validators.h"
#include "flatenn/base/config.h"
#include "flatenn/base/error.h"
#include "flatenn/base/utf8.h"
#include "flatenn/data/own_data.h"
#include "flatenn/engine/devices.h"

namespace flatenn::cli {
namespace {

void check_text(const std::string& text) {
  FLATENN_CHECK(is_utf8(text), "command line: a name or path is not UTF-8 text");
}

/// TOML's basic strings and arrays are JSON's.
std::string toml_text(const std::string& text) {
  check_text(text);
  return nlohmann::json(text).dump();
}

std::string toml_texts(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) check_text(text);
  return nlohmann::json(texts).dump();
}

void add_text(CLI::App& command, const std::shared_ptr<PlanOptions>& options,
              const std::string& flag, const std::string& key, const std::string& help) {
  command
      .add_option_function<std::string>(
          flag,
          [options, key](const std::string& value) {
            options->sets.push_back(key + "=" + toml_text(value));
          },
          help)
      ->type_name("TEXT");
}

void add_texts(CLI::App& command, const std::shared_ptr<PlanOptions>& options,
               const std::string& flag, const std::string& key, const std::string& help) {
  command
      .add_option_function<std::vector<std::string>>(
          flag,
          [options, key](const std::vector<std::string>& values) {
            options->sets.push_back(key + "=" + toml_texts(values));
          },
          help)
      ->delimiter(',')
      ->allow_extra_args(false)  // what follows may be the plan
      ->type_name("NAME,...");
}

/// Numbers are passed on as written; the plan's reader checks and names them.
CLI::Option* add_numbers(CLI::App& command, const std::shared_ptr<PlanOptions>& options,
                         const std::string& flag, const std::string& key, const std::string& help) {
  return command
      .add_option_function<std::vector<std::string>>(
          flag,
          [options, key](const std::vector<std::string>& values) {
            std::string list;
            for (const std::string& value : values) list += (list.empty() ? "" : ", ") + value;
            options->sets.push_back(key + "=[" + list + "]");
          },
          help)
      ->delimiter(',')
      ->allow_extra_args(false)  // what follows may be the plan
      ->type_name("NUMBER,...");
}

/// Numbers of one axis, in place of whichever the file has.
void add_levels(CLI::App& command, const std::shared_ptr<PlanOptions>& options,
                const std::string& flag, const std::string& key, const std::string& help) {
  add_numbers(command, options, flag, key, help)->each([options](const std::string&) {
    options->replaced.insert(options->replaced.end(),
                             {"rates", "counts", "voltages", "voltage_table"});
  });
}

void add_number(CLI::App& command, const std::shared_ptr<PlanOptions>& options,
                const std::string& flag, const std::string& key, const std::string& help) {
  command
      .add_option_function<std::string>(
          flag,
          [options, key](const std::string& value) { options->sets.push_back(key + "=" + value); },
          help)
      ->type_name("NUMBER");
}

void add_images(CLI::App& command, const std::shared_ptr<PlanOptions>& options) {
  command
      .add_option_function<std::string>(
          "--images",
          [options](const std::string& value) {
            const bool number =
                !value.empty() && std::all_of(value.begin(), value.end(), ::isdigit);
            options->replaced.insert(options->replaced.end(), {"images", "images_per_trial"});
            options->sets.push_back(number ? "images_per_trial=" + value
                                           : "images=" + toml_text(value));
          },
          "Images a trial: all, auto (chosen by a pilot), or a number of the trial's own "
          "permutation")
      ->type_name("all|auto|N");
}

/// Puts aside what a plan file says of rates, trials and images, none of which single faults have.
void add_single_fault(CLI::App& command, const std::shared_ptr<PlanOptions>& options) {
  command.add_option_function<std::string>(
      "--single-fault",
      [options](const std::string& mode) {
        options->replaced.insert(
            options->replaced.end(),
            {"rates", "counts", "voltages", "voltage_table", "trials", "half_width", "images",
             "images_per_trial", "wanted_accuracy", "tolerated_drop"});
        options->sets.push_back("single_fault=" + toml_text(mode));
      },
      "One fault a trial: sampled (per layer and bit) or exhaustive");
}

/// "1%" or "0.01".
double share_of(const std::string& text) {
  const bool percent = text.ends_with('%');
  const std::string number = text.substr(0, text.size() - (percent ? 1 : 0));
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  const double share = percent ? value / 100 : value;
  if (error != std::errc() || end != number.data() + number.size() || !(share >= 0 && share <= 1)) {
    throw CLI::ValidationError("--verify",
                               "must be a share of the trials, 0.01 or 1%, got '" + text + "'");
  }
  return share;
}

/// Puts aside what a plan file says of rates and of when to stop: a search chooses them.
void add_search(CLI::App& command, const std::shared_ptr<PlanOptions>& options) {
  command
      .add_option_function<std::string>(
          "--find-tolerable",
          [options](const std::string& drop) {
            options->replaced.insert(
                options->replaced.end(),
                {"rates", "counts", "voltages", "voltage_table", "half_width", "tolerated_drop"});
            options->sets.push_back("find_tolerable=" + drop);
          },
          "Choose rates one after another until the largest that costs at most this drop of "
          "accuracy (0.01: one point) lies between two that are close")
      ->type_name("DROP");
  add_number(command, options, "--within", "within",
             "How close: a factor between the two (default: 1.25)");
}

void add_fault_options(CLI::App& command, const std::shared_ptr<PlanOptions>& options) {
  add_texts(command, options, "--kinds", "kinds",
            "bit_flip, stuck_at_0, stuck_at_1, flip_0_to_1, flip_1_to_0");
  add_levels(command, options, "--rates", "rates", "Bit error rates in [0, 1]");
  add_levels(command, options, "--counts,--count", "counts", "Exact numbers of faults instead");
  add_text(command, options, "--encoding", "memory.encoding",
           "How codes are stored: twos_complement, offset_binary, gray, sign_magnitude, "
           "differential_pair");
  add_texts(command, options, "--layers", "layers", "Only these layers");
  add_texts(command, options, "--spare", "spare", "All but these layers");
  add_numbers(command, options, "--bits", "bits", "Only these bit positions; -1: the top bit");
  command.add_flag_callback(
      "--biases", [options] { options->sets.emplace_back("biases=true"); }, "Biases too");
  add_single_fault(command, options);
}

/// A path means the same from every folder, also where results tell it.
std::string settled_data(const std::string& name) {
  return data::is_own_data(name) ? data::settled_data_name(name) : name;
}

/// Headings of the help.
void group_options(CLI::App& command) {
  const std::pair<const char*, std::vector<const char*>> groups[] = {
      {"Networks and images",
       {"--model", "--data", "--split", "--first-images", "--images", "--data-root"}},
      {"Faults",
       {"--kinds", "--rates", "--counts", "--encoding", "--layers", "--spare", "--bits", "--biases",
        "--single-fault", "--seed"}},
      {"When to stop",
       {"--trials", "--half-width", "--time-limit", "--find-tolerable", "--within", "--estimator"}},
      {"Machine", {"--engine", "--threads"}}};
  for (const auto& [heading, names] : groups) {
    for (const char* const name : names) {
      if (CLI::Option* const option = command.get_option_no_throw(name)) option->group(heading);
    }
  }
}

}  // namespace

std::shared_ptr<PlanOptions> add_plan_options(CLI::App& command) {
  auto options = std::make_shared<PlanOptions>();
  command.add_option("plan", options->file, "Plan file (TOML); flags take precedence over it");
  command.add_option("--db", options->db, "Result file (SQLite); made where there is none")
      ->required();
  add_text(command, options, "--name", "name", "Name of the plan in the file (default: campaign)");
  command.add_option("--model", options->models, "ONNX file or run folder; may be repeated");
  command.add_option("--data", options->data,
                     "Data set, or path to your own: class folders, .npz, IDX, CIFAR or data.toml "
                     "(default: the one the models name)");
  add_text(command, options, "--split", "split", "test or train");
  add_number(command, options, "--first-images", "first_images", "Only the first N images of it");
  add_fault_options(command, options);
  add_number(command, options, "--trials", "trials",
             "Trials a cell (an upper bound with --half-width or --find-tolerable)");
  add_number(command, options, "--half-width", "half_width",
             "Stop a cell when its 95 % interval is +- this (0.005: half a point)");
  add_number(command, options, "--time-limit", "time_limit", "Stop after so many seconds");
  add_search(command, options);
  add_text(command, options, "--estimator", "estimator",
           "plain, or stratified: for rates at which most maps do little, draws those that can do "
           "harm more often");
  add_images(command, options);
  add_number(command, options, "--seed", "seed", "Decides every random choice");
  add_number(command, options, "--wanted-accuracy", "wanted_accuracy",
             "Accuracy that counts as yield (default: fault-free less the tolerated drop)");
  add_number(command, options, "--tolerated-drop", "tolerated_drop",
             "Drop that a tolerable rate may cost (default: 0.01)");
  command.add_option_function<std::vector<std::string>>(
      "--set",
      [options](const std::vector<std::string>& values) {
        options->sets.insert(options->sets.end(), values.begin(), values.end());
      },
      "Any key of the plan file: key=value");
  command.add_option("--data-root", options->data_root, "Folder of the data sets");
  command
      .add_option(
          "--engine", options->engine,
          "reference, cpu (the fastest of the others but cuda), lanes, onednn, general or cuda; "
          "cuda:1, or several GPUs: cuda:0-3, cuda:0,2")
      ->check(engine_name(true))
      ->capture_default_str();
  command.add_option("--threads", options->threads, "Threads (0: all cores)")
      ->check(at_least(0))
      ->capture_default_str();
  command
      .add_option_function<std::string>(
          "--verify",
          [options](const std::string& share) { options->verify_share = share_of(share); },
          "Run this share of the trials again on another engine, and stop where a number differs")
      ->type_name("SHARE|N%");
  group_options(command);
  return options;
}

campaign::Plan read_plan(const PlanOptions& options) {
  const bool from_file = !options.file.empty();
  check_text(options.file);  // results tell it
  Config config = !from_file     ? Config::from_string("", "command line")
                  : options.text ? Config::from_string(*options.text, options.file)
                                 : Config::from_file(options.file);
  for (const std::string& key : options.replaced) config.remove(key);
  std::vector<std::string> models;
  for (const std::string& model : options.models) {
    models.push_back(from_file ? std::filesystem::absolute(model).string() : model);
  }
  if (!models.empty()) config.set("models=" + toml_texts(models));
  if (!options.data.empty()) config.set("data=" + toml_text(settled_data(options.data)));
  for (const std::string& assignment : options.sets) config.set(assignment);
  const std::filesystem::path folder = std::filesystem::path(options.file).parent_path();
  return campaign::read_plan(config, folder.empty() ? "." : folder);
}

campaign::CampaignOptions campaign_options(const PlanOptions& options) {
  const engine::EngineChoice choice = engine::parse_engine_choice(options.engine);
  return {.engine = {.kind = choice.kind, .threads = options.threads},
          .devices = choice.devices,
          .data_root = data::resolve_data_root(options.data_root),
          .plan_file = options.file,
          .verify_share = options.verify_share,
          .share = options.share,
          .share_until = options.share_until};
}

}  // namespace flatenn::cli
