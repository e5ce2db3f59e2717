#include "flatenn/fault/summary.h"

#include <algorithm>
#include <cmath>

namespace flatenn::fault {
namespace {

void count(const Fault& fault, FaultSummary& summary) {
  if (fault.kind == FaultKind::kBitFlip) ++summary.bit_flips;
  if (fault.kind == FaultKind::kStuckAt0) ++summary.stuck_at_0;
  if (fault.kind == FaultKind::kStuckAt1) ++summary.stuck_at_1;
  if (fault.kind == FaultKind::kFlip0To1) ++summary.flips_0_to_1;
  if (fault.kind == FaultKind::kFlip1To0) ++summary.flips_1_to_0;
  ++summary.by_bit.at(static_cast<size_t>(fault.site.bit));
}

/// Sum of squared changes of the codes or biases of one injection.
double squares(const Injection& injection, const net::Network& network) {
  double sum = 0;
  for (const WeightChange& change : injection.weights) {
    const auto& codes = network.layers[static_cast<size_t>(change.layer)].weights.codes;
    const double difference = change.code - codes[static_cast<size_t>(change.element)];
    sum += difference * difference;
  }
  for (const BiasChange& change : injection.biases) {
    const auto& biases = network.layers[static_cast<size_t>(change.layer)].bias;
    const double difference = static_cast<double>(change.value) -
                              static_cast<double>(biases[static_cast<size_t>(change.channel)]);
    sum += difference * difference;
  }
  return sum;
}

FaultMap part_of(const FaultMap& map, int32_t tensor) {
  const auto in_tensor = [&](const Fault& fault) { return fault.site.tensor == tensor; };
  FaultMap part;
  std::copy_if(map.faults.begin(), map.faults.end(), std::back_inserter(part.faults), in_tensor);
  std::copy_if(map.check_faults.begin(), map.check_faults.end(),
               std::back_inserter(part.check_faults), in_tensor);
  return part;
}

void add(const FaultSummary& part, FaultSummary& whole) {
  whole.words += part.words;
  whole.stored_bits += part.stored_bits;
  whole.bit_flips += part.bit_flips;
  whole.stuck_at_0 += part.stuck_at_0;
  whole.stuck_at_1 += part.stuck_at_1;
  whole.flips_0_to_1 += part.flips_0_to_1;
  whole.flips_1_to_0 += part.flips_1_to_0;
  whole.landed += part.landed;
  whole.changed_codes += part.changed_codes;
  whole.by_bit.resize(std::max(whole.by_bit.size(), part.by_bit.size()));
  for (size_t bit = 0; bit < part.by_bit.size(); ++bit) whole.by_bit[bit] += part.by_bit[bit];
}

}  // namespace

std::vector<FaultSummary> summarize(const FaultMap& map, const Injector& injector) {
  std::vector<FaultSummary> summaries;
  FaultSummary whole;
  double all_squares = 0;
  const MemoryLayout& layout = injector.layout();
  for (int32_t i = 0; i < std::ssize(layout.tensors); ++i) {
    const MemoryTensor& tensor = layout.tensors[static_cast<size_t>(i)];
    const FaultMap part = part_of(map, i);
    if (tensor.is_bias && part.faults.empty()) continue;
    FaultSummary summary{.tensor = tensor.name,
                         .words = tensor.elements,
                         .stored_bits = tensor.elements * tensor.bits};
    summary.by_bit.resize(static_cast<size_t>(tensor.bits));
    for (const Fault& fault : part.faults) count(fault, summary);
    const Injection injection = injector.apply(part);
    summary.landed = injection.counts.landed;
    summary.changed_codes = std::ssize(injection.weights) + std::ssize(injection.biases);
    const double sum = squares(injection, *injector.network());
    const auto changed = static_cast<double>(summary.changed_codes);
    summary.rms_change = changed > 0 ? std::sqrt(sum / changed) : 0;
    all_squares += sum;
    add(summary, whole);
    summaries.push_back(std::move(summary));
  }
  const auto changed = static_cast<double>(whole.changed_codes);
  whole.rms_change = changed > 0 ? std::sqrt(all_squares / changed) : 0;
  summaries.push_back(std::move(whole));
  return summaries;
}

net::Network faulty_network(const net::Network& network, const Injection& injection) {
  net::Network faulty = network;
  for (const WeightChange& change : injection.weights) {
    faulty.layers[static_cast<size_t>(change.layer)]
        .weights.codes[static_cast<size_t>(change.element)] = change.code;
  }
  for (const BiasChange& change : injection.biases) {
    faulty.layers[static_cast<size_t>(change.layer)].bias[static_cast<size_t>(change.channel)] =
        change.value;
  }
  return faulty;
}

}  // namespace flatenn::fault
