#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/report/report.h"

namespace flatenn::report {
namespace {

void make_folder(const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  FLATENN_CHECK(!failure, folder.string(), ": the folder cannot be made: ", failure.message());
}

template <typename Picture>
int64_t write_picture(const Block& block, const std::filesystem::path& folder) {
  const auto* picture = std::get_if<Picture>(&block);
  if (picture == nullptr) return 0;
  write_file_atomically(folder / (picture->id + ".svg"), to_svg(*picture));
  return 1;
}

}  // namespace

int64_t write_tables(const Findings& findings, const std::filesystem::path& folder) {
  make_folder(folder);
  int64_t files = 0;
  for (const Section& section : build_sections(findings)) {
    for (const Block& block : section.blocks) {
      const auto* table = std::get_if<Table>(&block);
      if (table == nullptr) continue;
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
