#pragma once

#include <string>

namespace flatenn::engine {

/// Instruction sets that own kernels are written for, weakest first.
enum class Isa { kBaseline, kAvx2, kAvx512Vnni, kAmx };

/// "baseline", "avx2", "avx512vnni", "amx".
const char* isa_name(Isa isa);

/// Whether this machine runs it, and the system lets this process.
bool isa_supported(Isa isa);

/// The strongest one supported, lowered by the environment variable FLATENN_MAX_ISA (read at every
/// call). Throws Error where the variable holds no name of an instruction set.
Isa best_isa();
/// Whether that is weaker than what this machine runs.
bool isa_is_lowered();

}  // namespace flatenn::engine
