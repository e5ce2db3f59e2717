#pragma once

/// Compiles a function for AVX-512, for AVX2 with FMA and for the baseline, and picks one when the
/// program loads. The function must not be inline, and what it calls must be inlined into it
/// (FLATENN_INLINE).
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FLATENN_MULTIVERSION \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#define FLATENN_INLINE __attribute__((always_inline)) inline
#else
#define FLATENN_MULTIVERSION
#define FLATENN_INLINE inline
#endif
