#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/report/report.h"
#include "report/figure_table.h"
#include "report/make_folder.h"

namespace flatenn::report {
namespace {

/// The numbers of a block that has any.
std::optional<Table> numbers_of(const Block& block) {
  if (const auto* table = std::get_if<Table>(&block)) return *table;
  if (const auto* designer = std::get_if<Designer>(&block)) return designer->table;
  if (const auto* figure = std::get_if<Figure>(&block)) return table_of(*figure);
  if (const auto* map = std::get_if<HeatMap>(&block)) return table_of(*map);
  if (const auto* contour = std::get_if<Contour>(&block)) return table_of(*contour);
  return std::nullopt;
}

template <typename Picture>
int64_t write_picture(const Block& block, const std::filesystem::path& folder) {
  const auto* picture = std::get_if<Picture>(&block);
  if (picture == nullptr) return 0;
  write_file_atomically(folder / (picture->id + ".svg"), to_svg(*picture));
  return 1;
}

}  // namespace

void make_folder(const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  FLATENN_CHECK(!failure, folder.string(), ": the folder cannot be made: ", failure.message());
}

int64_t write_tables(const Findings& findings, const std::filesystem::path& folder) {
  make_folder(folder);
  int64_t files = 0;
  for (const Section& section : build_sections(findings)) {
    for (const Block& block : section.blocks) {
      const std::optional<Table> table = numbers_of(block);
      if (!table) continue;
      write_file_atomically(folder / (table->id + ".csv"), to_csv(*table));
      ++files;
    }
  }
  return files;
}

int64_t write_figures(const Findings& findings, const std::filesystem::path& folder) {
  make_folder(folder);
  int64_t files = 0;
  for (const Section& section : build_sections(findings)) {
    for (const Block& block : section.blocks) {
      files += write_picture<Figure>(block, folder) + write_picture<HeatMap>(block, folder) +
               write_picture<Contour>(block, folder);
    }
  }
  return files;
}

}  // namespace flatenn::report
