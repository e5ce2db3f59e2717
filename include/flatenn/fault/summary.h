#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flatenn/fault/injector.h"

namespace flatenn::fault {

/// What a map does to one tensor, or to the whole memory.
struct FaultSummary {
  std::string tensor;  ///< "" for the whole.
  int64_t words = 0;
  int64_t stored_bits = 0;
  int64_t bit_flips = 0;
  int64_t stuck_at_0 = 0;
  int64_t stuck_at_1 = 0;
  int64_t flips_0_to_1 = 0;
  int64_t flips_1_to_0 = 0;
  int64_t landed = 0;           ///< Stored bits that changed.
  int64_t changed_codes = 0;    ///< Weights (or biases) whose value changed, after protection.
  double rms_change = 0;        ///< Root mean square of the change of those codes.
  std::vector<int64_t> by_bit;  ///< Faults at each bit position.

  int64_t faults() const { return flips() + stuck_at_0 + stuck_at_1; }
  int64_t flips() const { return bit_flips + flips_0_to_1 + flips_1_to_0; }
};

/// One entry for each tensor that can hold faults of the map (all weight tensors; biases where
/// hit), then one for all of them.
std::vector<FaultSummary> summarize(const FaultMap& map, const Injector& injector);

/// The network with an injection's codes and biases in place. Faults of activations are no part of
/// a network.
net::Network faulty_network(const net::Network& network, const Injection& injection);

}  // namespace flatenn::fault
