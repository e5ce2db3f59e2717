#include "fault/bands.h"

#include <algorithm>
#include <span>

#include "fault/logarithm.h"

namespace flatenn::fault {

void WordQueue::refill() {
  end_ = std::min(std::max(2 * end_, kFirst), kMost);
  stream_.fill(std::span(words_).first(end_));
  for (size_t i = 0; i < end_; ++i) {
    logs_[i] = negative_log(fraction_of(words_[i]) + 0x1p-53);  // RandomStream::open_uniform()
  }
  at_ = 0;
}

}  // namespace flatenn::fault
