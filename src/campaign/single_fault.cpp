#include "campaign/single_fault.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_set>

#include "campaign/distributions.h"
#include "fault/selection.h"
#include "flatenn/base/error.h"
#include "flatenn/base/random.h"

namespace flatenn::campaign {
int64_t sample_size(int64_t population, double error, double confidence) {
  FLATENN_CHECK(population > 0, "single faults: the population is empty");
  const double t = normal_quantile(1 - (1 - confidence) / 2);
  const auto n = static_cast<double>(population);
  const double size = n / (1 + error * error * (n - 1) / (t * t * 0.25));
  return std::min(population, static_cast<int64_t>(std::ceil(size)));
}

std::vector<Stratum> make_strata(const fault::MemoryLayout& layout, const Plan& plan,
                                 const fault::FaultSource& selection) {
  std::vector<Stratum> strata;
  for (const fault::SelectedTensor& selected : fault::select(selection, layout, "single faults")) {
    const fault::MemoryTensor& tensor = layout.tensors[static_cast<size_t>(selected.tensor)];
    const int64_t wanted =
        plan.single_fault == SingleFault::kExhaustive
            ? tensor.elements
            : sample_size(tensor.elements, plan.single_fault_error, plan.single_fault_confidence);
    for (const int32_t bit : selected.bits) {
      strata.push_back({.tensor = selected.tensor,
                        .layer = tensor.layer,
                        .name = tensor.name,
                        .bit = bit,
                        .population = tensor.elements,
                        .wanted = wanted});
    }
  }
  return strata;
}

std::vector<int64_t> fault_order(const Stratum& stratum, uint64_t seed) {
  std::vector<int64_t> order;
  if (stratum.wanted == stratum.population) {
    order.resize(static_cast<size_t>(stratum.population));
    std::iota(order.begin(), order.end(), int64_t{0});
    return order;
  }
  RandomStream stream(seed, 0, RandomPurpose::kSampledFault, static_cast<uint64_t>(stratum.tensor),
                      static_cast<uint64_t>(stratum.bit));
  std::unordered_set<int64_t> seen;
  while (static_cast<int64_t>(order.size()) < stratum.wanted) {
    const auto element =
        static_cast<int64_t>(stream.below(static_cast<uint64_t>(stratum.population)));
    if (seen.insert(element).second) order.push_back(element);
  }
  return order;
}

}  // namespace flatenn::campaign
