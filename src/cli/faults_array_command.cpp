#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/fault_options.h"
#include "flatenn/base/error.h"
#include "flatenn/fault/memory_array.h"
#include "flatenn/interop/model.h"

namespace flatenn::cli {
namespace {

struct ArrayOptions : FaultOptions {
  fault::ArrayGeometry geometry;
  std::string mapping = "crossbar";
  std::vector<int64_t> cell;
  std::vector<std::string> site;
  bool json = false;
};

void print_regions(const fault::MemoryLayout& layout, const fault::ArrayMap& arrays) {
  const fault::ArrayGeometry& geometry = arrays.geometry();
  std::printf("%lld arrays of %lld x %lld cells, %d bits a cell, %s mapping\n",
              static_cast<long long>(arrays.arrays()), static_cast<long long>(geometry.rows),
              static_cast<long long>(geometry.columns), geometry.bits_per_cell,
              to_string(geometry.mapping).c_str());
  std::printf("%-16s %10s %6s %12s %12s %12s %14s\n", "tensor", "words", "cells", "first array",
              "first row", "rows", "words per row");
  for (const auto& region : arrays.regions()) {
    const auto& tensor = layout.tensors[static_cast<size_t>(region.tensor)];
    std::printf(
        "%-16s %10lld %6lld %12lld %12lld %12lld %14lld", tensor.name.c_str(),
        static_cast<long long>(tensor.elements), static_cast<long long>(region.cells_per_word),
        static_cast<long long>(region.first_array), static_cast<long long>(region.first_row),
        static_cast<long long>(region.rows), static_cast<long long>(region.words_per_row));
    if (geometry.mapping == fault::ArrayMapping::kCrossbar) {
      std::printf("  tiles %lld x %lld", static_cast<long long>(region.row_tiles),
                  static_cast<long long>(region.column_tiles));
    }
    std::printf("\n");
  }
}

nlohmann::json regions_json(const fault::MemoryLayout& layout, const fault::ArrayMap& arrays) {
  nlohmann::json regions = nlohmann::json::array();
  for (const auto& region : arrays.regions()) {
    regions.push_back({{"tensor", layout.tensors[static_cast<size_t>(region.tensor)].name},
                       {"first_array", region.first_array},
                       {"first_row", region.first_row},
                       {"rows", region.rows},
                       {"words_per_row", region.words_per_row},
                       {"cells_per_word", region.cells_per_word},
                       {"row_tiles", region.row_tiles},
                       {"column_tiles", region.column_tiles}});
  }
  return {{"arrays", arrays.arrays()},
          {"rows", arrays.geometry().rows},
          {"columns", arrays.geometry().columns},
          {"bits_per_cell", arrays.geometry().bits_per_cell},
          {"mapping", to_string(arrays.geometry().mapping)},
          {"regions", regions}};
}

void print_cell(const fault::MemoryLayout& layout, const fault::ArrayMap& arrays,
                const std::vector<int64_t>& at) {
  const auto content = arrays.content({at.at(0), at.at(1), at.at(2)});
  if (!content) {
    std::printf("unused\n");
    return;
  }
  const auto& tensor = layout.tensors[static_cast<size_t>(content->tensor)];
  std::printf("%s element %lld %s bits %d to %d\n", tensor.name.c_str(),
              static_cast<long long>(content->element), tensor.index_text(content->element).c_str(),
              content->first_bit, content->first_bit + content->bits - 1);
}

int64_t to_number(const std::string& text, const char* what, int64_t most) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  FLATENN_CHECK(
      error == std::errc() && end == text.data() + text.size() && value >= 0 && value <= most,
      "--site: ", what, " must be an integer in [0, ", most, "], got '", text, "'");
  return value;
}

void print_site(const fault::MemoryLayout& layout, const fault::ArrayMap& arrays,
                const std::vector<std::string>& site) {
  const int32_t tensor = layout.find(site.at(0));
  const int64_t elements = layout.tensors[static_cast<size_t>(tensor)].elements;
  const fault::Cell cell = arrays.cell_of(
      {.tensor = tensor,
       .bit = static_cast<int32_t>(to_number(site.at(2), "bit", fault::kBiasBits - 1)),
       .element = to_number(site.at(1), "element", elements - 1)});
  std::printf("array %lld row %lld column %lld\n", static_cast<long long>(cell.array),
              static_cast<long long>(cell.row), static_cast<long long>(cell.column));
}

void run(const ArrayOptions& options) {
  const net::Network network = interop::read_model(options.model);
  const fault::FaultModel model = model_from(options, network);
  fault::ArrayGeometry geometry = options.geometry;
  geometry.mapping = fault::parse_array_mapping(options.mapping);
  if (!options.config.empty()) {
    FLATENN_CHECK(model.array.has_value(), options.config, ": has no [memory.array] table");
    geometry = *model.array;
  }
  const fault::MemoryLayout layout = fault::memory_layout(network, model.encoding);
  const fault::ArrayMap arrays(layout, model.encoding, geometry);
  if (!options.cell.empty()) {
    print_cell(layout, arrays, options.cell);
  } else if (!options.site.empty()) {
    print_site(layout, arrays, options.site);
  } else if (options.json) {
    std::printf("%s\n", regions_json(layout, arrays).dump(2).c_str());
  } else {
    print_regions(layout, arrays);
  }
}

}  // namespace

void add_faults_array_command(CLI::App& parent) {
  auto options = std::make_shared<ArrayOptions>();
  CLI::App* app = parent.add_subcommand("array", "Show where weights stand in memory arrays");
  add_model_option(*app, *options);
  auto* config = app->add_option("--config", options->config, "TOML file with [memory.array]");
  app->add_option("--rows", options->geometry.rows, "Rows of an array")
      ->capture_default_str()
      ->excludes(config);
  app->add_option("--columns", options->geometry.columns, "Cells in a row")
      ->capture_default_str()
      ->excludes(config);
  app->add_option("--bits-per-cell", options->geometry.bits_per_cell, "Bits of a cell")
      ->capture_default_str()
      ->excludes(config);
  app->add_option("--arrays", options->geometry.arrays, "Arrays there are; 0: as many as needed")
      ->capture_default_str()
      ->excludes(config);
  app->add_option("--mapping", options->mapping, "crossbar or linear")
      ->capture_default_str()
      ->excludes(config);
  app->add_option("--encoding", options->encoding, "Encoding of the words (default: the model's)");
  auto* cell = app->add_option("--cell", options->cell, "Say what a cell holds: ARRAY,ROW,COLUMN")
                   ->delimiter(',')
                   ->expected(3);
  app->add_option("--site", options->site, "Say where a bit stands: LAYER,ELEMENT,BIT")
      ->delimiter(',')
      ->expected(3)
      ->excludes(cell);
  app->add_flag("--json", options->json, "Print JSON");
  app->callback([options] { run(*options); });
}

}  // namespace flatenn::cli
