#include "cli/memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace flatenn::cli {
namespace {

/// What the kernel says of the heap's mappings: their "VmFlags" lines.
std::string heap_flags() {
  std::ifstream maps("/proc/self/smaps");
  std::string flags;
  bool heap = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find('-') < line.find(' ') && line.find(':') > line.find(' ')) {
      heap = line.ends_with("[heap]");
    }
    if (heap && line.starts_with("VmFlags:")) flags += line + " ";
  }
  return flags;
}

TEST(UseLargePages, AsksForThemOnTheHeap) {
#if !defined(__GLIBC__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "memory does not come from glibc";
#endif
  if (!std::filesystem::exists("/sys/kernel/mm/transparent_hugepage")) {
    GTEST_SKIP() << "this kernel has no large pages on demand";
  }
  use_large_pages();
  EXPECT_NE(heap_flags().find(" hg "), std::string::npos) << heap_flags();
}

}  // namespace
}  // namespace flatenn::cli
