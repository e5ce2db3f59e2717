#pragma once

/// Compiles a function for AVX-512, AVX2 and the baseline and picks one when the program loads.
/// The function must not be inline, and what it calls must be inlined into it. Contraction of
/// a * b + c is off (flatenn_options), so every version gives the same bits.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FLATENN_MULTIVERSION __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FLATENN_MULTIVERSION
#endif
