#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flatenn/campaign/plan.h"
#include "flatenn/fault/fault_map.h"

namespace flatenn::campaign {

/// The faults of a single-fault campaign that share a tensor and a bit position.
struct Stratum {
  int32_t tensor = 0;  ///< Index into MemoryLayout::tensors.
  int32_t layer = 0;   ///< Index into Network::layers.
  std::string name;    ///< The tensor's.
  int32_t bit = 0;
  int64_t population = 0;
  int64_t wanted = 0;  ///< Faults to try.
};

/// Faults to try of `population` so that a share is known to +-error at the confidence, whatever it
/// is: n = N / (1 + e^2 (N - 1) / (t^2 p (1 - p))) with p = 0.5, rounded up. Leveugle, Calvez,
/// Maistri and Vanhauwaert, "Statistical fault injection: quantified error and confidence",
/// DATE 2009, eq. (1).
int64_t sample_size(int64_t population, double error, double confidence);

/// One a tensor of weights and bit position, in population order.
std::vector<Stratum> make_strata(const fault::MemoryLayout& layout, const Plan& plan,
                                 const fault::FaultSource& selection);

/// Elements to try, in the order in which they are tried: all, or distinct ones drawn from
/// (seed, kSampledFault, tensor, bit).
std::vector<int64_t> fault_order(const Stratum& stratum, uint64_t seed);

}  // namespace flatenn::campaign
