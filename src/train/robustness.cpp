#include "flatenn/train/robustness.h"

#include <algorithm>

namespace flatenn::train {

double RandomFaultOptions::rate_at(double epochs) const {
  if (epochs < from_epoch) return 0;
  if (epochs - from_epoch >= ramp_epochs) return rate;
  return rate * (epochs - from_epoch) / ramp_epochs;
}

}  // namespace flatenn::train
