#include "data/libarchive.h"

namespace flatenn::data {

const LibArchive& libarchive() {
  static const LibArchive functions;
  return functions;
}

Archive new_archive_reader() {
  return {libarchive().archive_read_new(), libarchive().archive_read_free};
}

}  // namespace flatenn::data
