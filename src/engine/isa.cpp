#include "engine/isa.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <array>
#include <cstdlib>

#include "flatenn/base/error.h"

namespace flatenn::engine {
namespace {

constexpr std::array kAll{Isa::kBaseline, Isa::kAvx2, Isa::kAvx512Vnni, Isa::kAmx};

Isa parse_isa(const std::string& name) {
  for (const Isa isa : kAll) {
    if (name == isa_name(isa)) return isa;
  }
  throw Error("FLATENN_MAX_ISA: expected baseline, avx2, avx512vnni or amx, got " + name);
}

#if defined(__x86_64__)
/// Whether the processor has tiles of bytes. GCC's name for it is younger than GCC 12's.
bool processor_has_amx() {
  constexpr unsigned kTile = 1U << 24;
  constexpr unsigned kInt8 = 1U << 25;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  return (edx & kTile) != 0 && (edx & kInt8) != 0;
}

/// Linux gives a process the registers when it asks, once for all its threads.
bool system_grants_tiles() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

bool has_amx() {
  static const bool result = processor_has_amx() && system_grants_tiles();
  return result;
}
#endif

}  // namespace

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::kBaseline:
      return "baseline";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512Vnni:
      return "avx512vnni";
    case Isa::kAmx:
      return "amx";
  }
  return "?";
}

bool isa_supported(Isa isa) {
#if defined(__x86_64__)
  switch (isa) {
    case Isa::kBaseline:
      return true;
    case Isa::kAvx2:
      return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
    case Isa::kAvx512Vnni:
      return isa_supported(Isa::kAvx2) && __builtin_cpu_supports("avx512f") != 0 &&
             __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
             __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vnni") != 0;
    case Isa::kAmx:
      return isa_supported(Isa::kAvx512Vnni) && has_amx();
  }
#endif
  return isa == Isa::kBaseline;
}

Isa best_isa() {
  const char* wanted = std::getenv("FLATENN_MAX_ISA");
  const Isa limit = wanted == nullptr || *wanted == '\0' ? kAll.back() : parse_isa(wanted);
  Isa best = Isa::kBaseline;
  for (const Isa isa : kAll) {
    if (isa <= limit && isa_supported(isa)) best = std::max(best, isa);
  }
  return best;
}

bool isa_is_lowered() {
  return std::any_of(kAll.begin(), kAll.end(),
                     [](Isa isa) { return isa > best_isa() && isa_supported(isa); });
}

}  // namespace flatenn::engine
