#include "engine/isa.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "flatenn/base/error.h"

namespace flatenn::engine {
namespace {

constexpr std::array kAll{Isa::kBaseline, Isa::kAvx2, Isa::kAvx512Vnni};

Isa parse_isa(const std::string& name) {
  for (const Isa isa : kAll) {
    if (name == isa_name(isa)) return isa;
  }
  throw Error("FLATENN_MAX_ISA: expected baseline, avx2 or avx512vnni, got " + name);
}

}  // namespace

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::kBaseline:
      return "baseline";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512Vnni:
      return "avx512vnni";
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
