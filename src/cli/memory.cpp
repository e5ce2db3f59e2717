#include "cli/memory.h"

#include <cstdint>
#include <cstdlib>

#ifdef __GLIBC__  // any header of the C library says so
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace flatenn::cli {

#ifdef __GLIBC__
namespace {

/// What the heap grows by: address space, of which memory is taken when it is written.
constexpr int kHeapStep = 64 << 20;
/// Larger pieces get a mapping of their own. glibc itself raises its limit from 128 KiB up to this
/// once such pieces are freed.
constexpr int kLargestOnHeap = 32 << 20;

void advise_large_pages(void* from, void* to) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t first = (reinterpret_cast<uintptr_t>(from) + page - 1) / page * page;
  const auto last = reinterpret_cast<uintptr_t>(to);
  if (last > first) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
}

}  // namespace

void use_large_pages() {
  ::mallopt(M_ARENA_MAX, 1);  // threads other than the first would have heaps of their own
  ::mallopt(M_TOP_PAD, kHeapStep);
  ::mallopt(M_TRIM_THRESHOLD, 2 * kHeapStep);
  ::mallopt(M_MMAP_THRESHOLD, kLargestOnHeap);
  void* const before = ::sbrk(0);
  // More than what is left of the heap's first step, so that it grows.
  constexpr size_t kProbe = 1 << 20;
  void* volatile probe = std::malloc(kProbe);  // volatile: compilers leave out unused memory
  advise_large_pages(before, ::sbrk(0));
  std::free(probe);
}
#else
void use_large_pages() {}
#endif

}  // namespace flatenn::cli
