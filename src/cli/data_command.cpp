#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/text_table.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/printable.h"
#include "flatenn/data/get.h"
#include "flatenn/data/own_data.h"
#include "flatenn/data/sheet.h"
#include "flatenn/data/verify.h"

namespace flatenn::cli {
namespace {

using data::DataSet;
using data::FileCheck;

struct DataOptions {
  std::string root;
  std::string name;
  std::string mirror;
  std::string out;
  std::string split = "test";
  data::SheetOptions sheet;
  bool json = false;
};

std::string shape_of(const DataSet& set) {
  return std::to_string(set.channels) + "x" + std::to_string(set.height) + "x" +
         std::to_string(set.width);
}

nlohmann::json presence_json(const DataSet& set, const data::Presence& presence) {
  return {{"name", set.name},
          {"title", set.title},
          {"train_images", set.train_images},
          {"test_images", set.test_images},
          {"shape", {set.channels, set.height, set.width}},
          {"classes", set.class_names},
          {"present", presence.complete},
          {"bytes", presence.bytes},
          {"folder", presence.folder.string()}};
}

void list(const DataOptions& options) {
  const auto root = data::resolve_data_root(options.root);
  nlohmann::json sets = nlohmann::json::array();
  std::vector<std::vector<std::string>> rows;
  for (const DataSet& set : data::catalogue()) {
    const data::Presence presence = data::find_presence(set, root);
    sets.push_back(presence_json(set, presence));
    const char* here = presence.complete ? "yes" : presence.files > 0 ? "partly" : "no";
    rows.push_back({set.name, std::to_string(set.train_images), std::to_string(set.test_images),
                    shape_of(set), here, presence.folder.string()});
  }
  if (options.json) {
    std::printf("%s\n", sets.dump(2).c_str());
    return;
  }
  const std::vector<TextColumn> columns = {{"name"},          {"train", true, 3},
                                           {"test", true, 4}, {"shape", false, 2},
                                           {"here"},          {"folder", false, 1}};
  print_text_table(columns, rows);
}

void get(const DataOptions& options, bool quiet) {
  say_what_is_kept("complete files are kept; the same command goes on");
  const DataSet& set = data::find_data_set(options.name);
  const auto result = data::get_data_set(set, data::resolve_data_root(options.root),
                                         {.mirror = options.mirror, .quiet = quiet});
  std::printf("%s is in %s (%s)\n", set.title.c_str(), result.folder.c_str(),
              result.source.empty() ? "it was there already" : ("from " + result.source).c_str());
}

const char* state_name(FileCheck::State state) {
  switch (state) {
    case FileCheck::State::kGood:
      return "good";
    case FileCheck::State::kMissing:
      return "missing";
    case FileCheck::State::kDiffers:
      return "differs";
    case FileCheck::State::kUnreadable:
      return "unreadable";
  }
  return "";
}

nlohmann::json verification_json(const DataSet& set, const data::Verification& found) {
  nlohmann::json files = nlohmann::json::array();
  for (const FileCheck& file : found.files) {
    files.push_back({{"name", file.name},
                     {"state", state_name(file.state)},
                     {"sha256", file.sha256},
                     {"detail", file.detail}});
  }
  return {{"name", set.name},
          {"folder", found.folder.string()},
          {"good", found.bad_files() == 0},
          {"files", files}};
}

void verify(const DataOptions& options) {
  const DataSet& set = data::find_data_set(options.name);
  const auto found = data::verify_data_set(set, data::resolve_data_root(options.root));
  if (options.json) {
    std::printf("%s\n", verification_json(set, found).dump(2).c_str());
  } else {
    for (const FileCheck& file : found.files) {
      std::printf("%-10s  %-23s  %s%s%s\n", state_name(file.state), file.name.c_str(),
                  file.sha256.empty() ? "" : "SHA-256 ", file.sha256.c_str(),
                  file.detail.empty() ? "" : ("  " + file.detail).c_str());
    }
  }
  const auto bad = found.bad_files();
  FLATENN_CHECK(bad == 0, set.title, ": ", bad, " of ", found.files.size(), " files in ",
                found.folder.string(), " are not the official ones");
}

void show(const DataOptions& options) {
  const auto split = options.split == "train" ? data::Split::kTrain : data::Split::kTest;
  const data::ImageSet images =
      data::load_image_set(options.name, split, data::resolve_data_root(options.root));
  data::write_png(options.out, data::draw_sheet(images, options.sheet));
  std::printf("%s: the first %ld images of each class (%s)\n", options.out.c_str(),
              options.sheet.per_class, options.split.c_str());
}

/// What one split holds.
struct SplitReport {
  std::string name, place;
  data::ImageSet images;
  std::vector<int64_t> counts;  ///< [classes]
};

SplitReport report_split(const std::string& path, const std::string& place, data::Split split,
                         const data::LoadOptions& load) {
  SplitReport report{.name = split == data::Split::kTrain ? "train" : "test",
                     .place = place,
                     .images = data::load_own_data(path, split, load)};
  report.counts.resize(report.images.class_names.size());
  for (const uint16_t label : report.images.labels) ++report.counts[label];
  return report;
}

std::string image_shape(const data::ImageSet& images) {
  return std::to_string(images.channels) + "x" + std::to_string(images.height) + "x" +
         std::to_string(images.width);
}

std::string listed(const std::vector<float>& values) {
  std::string text;
  for (const float value : values) {
    char number[32];
    std::snprintf(number, sizeof number, "%s%.6f", text.empty() ? "" : ", ", value);
    text += number;
  }
  return text;
}

nlohmann::json check_json(const data::OwnData& found, const std::vector<SplitReport>& splits) {
  nlohmann::json list = nlohmann::json::array();
  for (const SplitReport& split : splits) {
    const data::ImageSet& images = split.images;
    list.push_back({{"split", split.name},
                    {"place", split.place},
                    {"images", images.count},
                    {"shape", {images.channels, images.height, images.width}},
                    {"content_hash", images.content_hash},
                    {"images_by_class", split.counts}});
  }
  const data::ImageSet& images = splits.front().images;
  return {{"name", found.name},
          {"format", found.format},
          {"path", found.path},
          {"settings", found.settings},
          {"geometry", found.geometry},
          {"classes", images.class_names},
          {"mean", images.mean},
          {"std", images.std},
          {"mean_and_std_given", found.constants_given},
          {"splits", list}};
}

void print_classes(const std::vector<SplitReport>& splits) {
  constexpr size_t kMostShown = 40;
  const std::vector<std::string>& names = splits.front().images.class_names;
  std::printf("%5s", "label");
  for (const SplitReport& split : splits) std::printf("  %8s", split.name.c_str());
  std::printf("  class\n");
  for (size_t label = 0; label < names.size() && label < kMostShown; ++label) {
    std::printf("%5zu", label);
    for (const SplitReport& split : splits) std::printf("  %8ld", split.counts[label]);
    std::printf("  %s\n", printable(names[label]).c_str());
  }
  if (names.size() > kMostShown) {
    std::printf("  ... and %zu more (--json lists all)\n", names.size() - kMostShown);
  }
}

void print_check(const data::OwnData& found, const std::vector<SplitReport>& splits) {
  std::printf("%s: %s in %s%s%s\n", printable(found.name).c_str(), found.format.c_str(),
              printable(found.path).c_str(), found.settings.empty() ? "" : ", as said by ",
              printable(found.settings).c_str());
  if (!found.geometry.empty()) std::printf("pictures: %s\n", found.geometry.c_str());
  for (const SplitReport& split : splits) {
    std::printf("%-5s  %ld images of %s (%s)\n", split.name.c_str(), split.images.count,
                image_shape(split.images).c_str(), printable(split.place).c_str());
  }
  const data::ImageSet& images = splits.front().images;
  std::printf("mean   %s\nstd    %s  (%s)\n", listed(images.mean).c_str(),
              listed(images.std).c_str(),
              found.constants_given ? "given" : "measured over these images");
  std::printf("%zu classes\n", images.class_names.size());
  print_classes(splits);
}

void check(const DataOptions& options) {
  const data::OwnData found = data::find_own_data(options.name);
  const InterruptGuard interrupt;
  const data::LoadOptions load{.stop_requested = [&] { return interrupt.requested(); }};
  std::vector<SplitReport> splits;
  if (found.has(data::Split::kTrain)) {
    splits.push_back(report_split(options.name, found.train, data::Split::kTrain, load));
  }
  if (found.has(data::Split::kTest) && (found.is_split() || splits.empty())) {
    splits.push_back(report_split(options.name, found.test, data::Split::kTest, load));
  }
  if (!found.is_split()) splits.front().name = "all";
  if (options.json) {
    std::printf("%s\n", check_json(found, splits).dump(2).c_str());
  } else {
    print_check(found, splits);
  }
}

CLI::App* add_action(CLI::App& data, const std::string& name, const std::string& help,
                     const std::shared_ptr<DataOptions>& options) {
  CLI::App* action = data.add_subcommand(name, help);
  action->add_option(
      "--data-root", options->root,
      "Folder of the data sets (default: $FLATENN_DATA, else ~/.cache/flatenn/data)");
  return action;
}

void add_name(CLI::App* action, const std::shared_ptr<DataOptions>& options) {
  action->add_option("name", options->name, "mnist, fashion-mnist or cifar10")->required();
}

}  // namespace

void add_data_command(CLI::App& app, const GlobalOptions& global) {
  const auto options = std::make_shared<DataOptions>();
  CLI::App* data = app.add_subcommand("data", "Get, check and look at the data sets");
  data->require_subcommand(1);

  CLI::App* list_action = add_action(*data, "list", "Say which data sets are here", options);
  list_action->add_flag("--json", options->json, "Print JSON");
  list_action->callback([options] { list(*options); });

  CLI::App* get_action = add_action(*data, "get", "Download a data set and check it", options);
  add_name(get_action, options);
  get_action->add_option("--from", options->mirror,
                         "Address of a folder with the official files, instead of the known ones");
  get_action->callback([options, &global] { get(*options, global.quiet); });

  CLI::App* verify_action =
      add_action(*data, "verify", "Compare the files with the official sums", options);
  add_name(verify_action, options);
  verify_action->add_flag("--json", options->json, "Print JSON");
  verify_action->callback([options] { verify(*options); });

  CLI::App* check_action = data->add_subcommand("check", "Say what is found in your own data");
  check_action
      ->add_option("path", options->name,
                   "Folder of class folders, of IDX or of CIFAR files, .npz file, or data.toml")
      ->required();
  check_action->add_flag("--json", options->json, "Print JSON");
  check_action->callback([options] { check(*options); });

  CLI::App* show_action =
      add_action(*data, "show", "Draw a sheet of labelled images of every class", options);
  show_action
      ->add_option("name", options->name,
                   "mnist, fashion-mnist, cifar10, or the path of your own data")
      ->required();
  show_action->add_option("--out", options->out, "PNG file to write")->required();
  show_action->add_option("--split", options->split, "Which images")
      ->check(CLI::IsMember({"train", "test"}))
      ->capture_default_str();
  show_action->add_option("--per-class", options->sheet.per_class, "Images of each class")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  show_action->add_option("--scale", options->sheet.scale, "Size of one pixel")
      ->check(CLI::Range(1, 8))
      ->capture_default_str();
  show_action->callback([options] { show(*options); });
}

}  // namespace flatenn::cli
