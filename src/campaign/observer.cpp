// What a caller is told of a running campaign.
#include "flatenn/campaign/campaign.h"

namespace flatenn::campaign {

void Observer::started(const std::string&, int64_t, int64_t) {}
void Observer::advanced(int64_t, int64_t, const CellProgress&) {}
void Observer::cell_finished(const CellProgress&) {}

std::string to_string(Ending ending) {
  switch (ending) {
    case Ending::kDone:
      return "done";
    case Ending::kInterrupted:
      return "interrupted";
    case Ending::kTimeLimit:
      return "time limit";
  }
  return "";
}

}  // namespace flatenn::campaign
