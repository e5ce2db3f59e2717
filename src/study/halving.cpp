#include "study/halving.h"

#include <algorithm>
#include <cmath>

namespace flatenn::study {

int64_t Halving::epochs_at(int64_t rung, int64_t epochs) const {
  double left = static_cast<double>(epochs);
  for (int64_t above = rung + 1; above < rungs; ++above) left /= static_cast<double>(factor);
  return std::max<int64_t>(1, std::llround(left));
}

Halving plan_halving(int64_t factor, int64_t candidates, int64_t epochs, int64_t least) {
  Halving plan{.factor = factor};
  if (factor < 2) return plan;
  while (candidates >= factor) {
    const Halving longer{.factor = factor, .rungs = plan.rungs + 1};
    const int64_t first = longer.epochs_at(0, epochs);
    if (first < least || first == plan.epochs_at(0, epochs)) break;
    plan = longer;
    candidates /= factor;
  }
  return plan;
}

std::vector<size_t> survivors(const std::vector<Tried>& tried, int64_t factor) {
  std::vector<size_t> order;
  for (size_t i = 0; i < tried.size(); ++i) {
    if (!tried[i].diverged) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return tried[a].score > tried[b].score; });
  const size_t kept = std::max<size_t>(1, tried.size() / static_cast<size_t>(factor));
  order.resize(std::min(order.size(), kept));
  return order;
}

}  // namespace flatenn::study
