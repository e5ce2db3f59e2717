#pragma once

#include <cstdint>
#include <vector>

#include "fault/draw_key.h"
#include "flatenn/fault/activation_faults.h"
#include "flatenn/fault/fault_model.h"
#include "flatenn/net/network.h"

namespace flatenn::fault {

/// What one source of activation faults reaches.
struct ActivationSource {
  FaultSource source;
  uint64_t number = 0;        ///< Its place in the model: the number of its random streams.
  std::vector<bool> reaches;  ///< By index into Network::activations.
};

/// Resolves names: a layer's name means the codes it writes, an activation's own name itself;
/// without names all but the image. Throws Error for names unknown or without stored codes, and
/// where flips and stuck-at are mixed in one source.
ActivationSource select_activations(const FaultSource& source, uint64_t number,
                                    const net::Network& network, const std::string& place);

/// Throws Error where a bit's factor takes the rate above 1.
void check_rate(const ActivationSource& source, double rate);

/// Faults of activation codes in one trial. Flips come from a stream of (seed, trial, source,
/// activation, image); stuck-at cells from one of (seed, trial, source) for a shared buffer, or of
/// (seed, trial, source, activation).
class DrawnActivationFaults : public ActivationFaults {
 public:
  DrawnActivationFaults(const std::vector<ActivationSource>& sources, const net::Network& network,
                        double rate, uint64_t seed, uint64_t trial);

  bool touches(int64_t activation) const override;
  void masks(int64_t activation, int64_t image, std::vector<CodeMask>& masks) const override;

 private:
  /// Flips of one source with its rate worked out.
  struct Flips {
    size_t source = 0;
    double rate = 0;
  };
  void add_stuck(const ActivationSource& source, double rate, const net::Network& network);

  std::vector<ActivationSource> sources_;
  uint64_t seed_;
  uint64_t trial_;
  std::vector<int> bits_;          ///< By activation.
  std::vector<int64_t> elements_;  ///< By activation.
  std::vector<Flips> flips_;
  std::vector<std::vector<CodeMask>> stuck_;  ///< By activation, elements rising.
};

}  // namespace flatenn::fault
