#pragma once

#include <cstdint>

namespace flatenn::fault {

/// The (72,64) code of Hsiao, "A class of optimal minimum odd-weight-column SEC-DED codes", IBM
/// Journal of Research and Development 14(4), 1970: single errors of the 72 bits are corrected,
/// double errors detected; triple errors look like single ones and may be "corrected" into worse.
///
/// Every column of the parity-check matrix has odd weight: the 64 data bits take all 56 columns of
/// weight 3 and 8 of weight 5, the check bits those of weight 1, so each check covers 26 data bits.
uint8_t secded_encode(uint64_t data);

enum class SecdedStatus { kClean, kCorrected, kDetected };

struct SecdedResult {
  uint64_t data = 0;  ///< As corrected; as read where an error is only detected.
  SecdedStatus status = SecdedStatus::kClean;
};
SecdedResult secded_decode(uint64_t data, uint8_t check);

}  // namespace flatenn::fault
