#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <memory>

#include "data/late_library.h"

namespace flatenn::data {

/// The functions of libarchive that are used here.
struct LibArchive {
  LateLibrary library{"libarchive.so.13", FLATENN_LIBARCHIVE_FILE, "unpacking"};
  FLATENN_LATE(library, archive_entry_filetype);
  FLATENN_LATE(library, archive_entry_pathname);
  FLATENN_LATE(library, archive_entry_size);
  FLATENN_LATE(library, archive_error_string);
  FLATENN_LATE(library, archive_read_append_filter);
  FLATENN_LATE(library, archive_read_data);
  FLATENN_LATE(library, archive_read_free);
  FLATENN_LATE(library, archive_read_new);
  FLATENN_LATE(library, archive_read_next_header);
  FLATENN_LATE(library, archive_read_open_filename);
  FLATENN_LATE(library, archive_read_support_filter_gzip);
  FLATENN_LATE(library, archive_read_support_format_raw);
  FLATENN_LATE(library, archive_read_support_format_tar);
};

/// Loads it on the first call; throws Error where it is not there.
const LibArchive& libarchive();

using Archive = std::unique_ptr<archive, decltype(&::archive_read_free)>;
Archive new_archive_reader();

}  // namespace flatenn::data
