#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "flatenn/fault/activation_faults.h"
#include "flatenn/fault/change.h"
#include "flatenn/fault/fault_map.h"
#include "flatenn/fault/fault_model.h"
#include "flatenn/net/network.h"

namespace flatenn::fault {

struct FaultCounts {
  int64_t drawn = 0;        ///< Faults on stored weight and bias bits.
  int64_t landed = 0;       ///< Stored bits that changed, before any check code acts.
  int64_t check_drawn = 0;  ///< Faults on check bits.
  int64_t corrected = 0;    ///< Blocks that secded read as golden although a bit was wrong.
  int64_t detected = 0;     ///< Words (parity) or blocks (secded) that were seen to be wrong.
  int64_t missed = 0;       ///< Words or blocks delivered wrong as if right.
  int64_t clipped = 0;      ///< Faulty words that clipping changed.

  bool operator==(const FaultCounts&) const = default;
};

/// What one trial changes, ready for engine::Job.
struct Injection {
  std::vector<WeightChange> weights;  ///< Codes that differ; by layer, then element.
  std::vector<BiasChange> biases;
  std::shared_ptr<const ActivationFaults> activations;  ///< Null: none.
  FaultCounts counts;

  void clear();  ///< As new, but for the memory that it holds.
};

/// Draws fault maps for one network under one model and turns them into changed codes.
///
/// A map is a function of (model, layout, rate, seed, trial) alone. Const members may be called
/// from several threads.
class Injector {
 public:
  /// Throws Error where the model does not fit the network (unknown layer, no bits left to fault,
  /// shares that do not sum to 1, ...).
  Injector(std::shared_ptr<const net::Network> network, FaultModel model);
  ~Injector();
  Injector(Injector&&) noexcept;
  Injector& operator=(Injector&&) noexcept;

  /// The network as this memory stores it (codes without a word in the encoding saturated, codes
  /// clipped where the protection says so): run this one, also for the golden pass. The given one
  /// where nothing changed.
  std::shared_ptr<const net::Network> network() const;
  int64_t saturated() const;  ///< Codes that had no word in the encoding.
  int64_t clipped() const;    ///< Golden codes that clipping changed.
  const MemoryLayout& layout() const;
  const FaultModel& model() const;
  const ArrayMap* arrays() const;  ///< Null where the model has no array.

  /// Throws Error where factors would give a bit a probability above 1 at this rate.
  void check_rate(double rate) const;
  /// The map of one trial: faults of weights and biases (those of activations are in inject's
  /// result). `rate` in [0, 1] serves the sources that have none of their own.
  FaultMap draw(double rate, uint64_t seed, uint64_t trial) const;
  /// What a map does to the network. Throws Error where a site is outside the memory.
  Injection apply(const FaultMap& map) const;
  /// Both, with activation faults. At rates at which a map would be long, it goes from the random
  /// streams to the changed codes without one, to the same result.
  Injection inject(double rate, uint64_t seed, uint64_t trial) const;
  /// The same into an injection that is used again and again: its memory is kept.
  void inject(double rate, uint64_t seed, uint64_t trial, Injection& injection) const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

}  // namespace flatenn::fault
