#include "campaign/map_strata.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <unordered_set>

#include "fault/selection.h"
#include "flatenn/base/error.h"
#include "flatenn/base/number.h"
#include "flatenn/base/random.h"

namespace flatenn::campaign {
namespace {

using fault::FaultKind;
using fault::FaultSource;

/// Beyond, a map is long, and nearly every one hits the most harmful class.
constexpr double kMostFaults = 500;
/// A class is a factor of harm: the square of a bit's weight against the bit below.
constexpr double kFactor = 4;
constexpr size_t kMostClasses = 8;
/// Classes that fewer maps than this come to are joined with the one before.
constexpr double kLeastReach = 1e-3;

uint16_t with_fault(uint16_t word, int bit, FaultKind kind) {
  const auto mask = static_cast<uint16_t>(1U << bit);
  const bool one = (word & mask) != 0;
  const bool after = kind == FaultKind::kBitFlip    ? !one
                     : kind == FaultKind::kStuckAt0 ? false
                     : kind == FaultKind::kStuckAt1 ? true
                     : kind == FaultKind::kFlip0To1 ? true
                                                    : false;
  return static_cast<uint16_t>(after ? word | mask : word & ~mask);
}

/// How often each code stands in a tensor.
std::vector<int64_t> count_codes(const net::Weights& weights) {
  std::vector<int64_t> counts(256);
  for (const int8_t code : weights.codes) counts[static_cast<size_t>(code + 128)] += 1;
  return counts;
}

double sum_of_squares(const std::vector<int64_t>& counts) {
  double sum = 0;
  for (int code = -128; code < 128; ++code) {
    sum += static_cast<double>(counts[static_cast<size_t>(code + 128)]) * code * code;
  }
  return std::max(sum, 1.0);
}

/// Mean squared change of a code by a fault at this bit.
double squared_change(const std::vector<int64_t>& counts, const fault::MemoryTensor& tensor,
                      int32_t bit, const fault::KindShares& kinds, fault::Encoding encoding) {
  double sum = 0;
  for (int code = -128; code < 128; ++code) {
    const int64_t count = counts[static_cast<size_t>(code + 128)];
    if (count == 0) continue;
    const uint16_t word = fault::encode(static_cast<int8_t>(code), tensor.code_bits, encoding);
    for (const std::string& name : fault::fault_kind_names()) {
      const FaultKind kind = fault::parse_fault_kind(name);
      const double change =
          fault::decode(with_fault(word, bit, kind), tensor.code_bits, encoding) - code;
      sum += static_cast<double>(count) * kinds.of(kind) * change * change;
    }
  }
  return sum / static_cast<double>(tensor.elements);
}

void check_source(const fault::FaultModel& model, const std::string& place) {
  const auto refuse = [&](bool wrong, const char* what) {
    FLATENN_CHECK(!wrong, place,
                  ": a stratified estimate needs faults that hit each stored weight "
                  "bit alone and alike, got ",
                  what);
  };
  refuse(model.sources.size() != 1, "several sources of faults");
  const FaultSource& source = model.sources.front();
  refuse(source.unit == fault::FaultUnit::kList, "a list of defects");
  refuse(source.unit == fault::FaultUnit::kLevel, "noise of levels");
  refuse(source.unit != fault::FaultUnit::kBit, "faults that come in clusters");
  refuse(source.count.has_value(), "an exact number of faults");
  refuse(source.target != fault::FaultTarget::kWeights, "faults of biases or activations");
  refuse(!source.bit_factors.empty(), "a rate for each bit position");
  refuse(model.protection.code != fault::CheckCode::kNone, "a memory with check bits");
}

void add_position(BitClass& bits, const BitClass::Position& position) {
  bits.positions.push_back(position);
  bits.bits += position.elements;
}

/// Every bit position of the source as a class of its own, with its harm.
std::vector<BitClass> positions_of(const fault::Injector& injector, const std::string& place) {
  const FaultSource& source = injector.model().sources.front();
  const fault::MemoryLayout& layout = injector.layout();
  std::vector<BitClass> positions;
  for (const fault::SelectedTensor& selected : fault::select(source, layout, place)) {
    const auto& tensor = layout.tensors[static_cast<size_t>(selected.tensor)];
    const auto& layer = injector.network()->layers[static_cast<size_t>(tensor.layer)];
    const std::vector<int64_t> counts = count_codes(layer.weights);
    for (const int32_t bit : selected.bits) {
      BitClass one;
      add_position(one, {selected.tensor, bit, tensor.elements});
      one.harm = squared_change(counts, tensor, bit, source.kinds, injector.model().encoding) /
                 sum_of_squares(counts);
      positions.push_back(std::move(one));
    }
  }
  return positions;
}

void join(BitClass& into, const BitClass& from) {
  for (const BitClass::Position& position : from.positions) add_position(into, position);
}

/// Number of faults among `bits` of them, at least `least` (0 or 1): the inverse of the
/// distribution function, summed from below.
int64_t draw_count(double uniform, double rate, int64_t bits, int64_t least) {
  const double hit = hit_probability(rate, bits);
  double none = 1, power = 1 - rate;
  for (int64_t left = bits; left > 0; left >>= 1, power *= power) {
    if ((left & 1) != 0) none *= power;
  }
  double chance = none;
  double left = least == 0 ? uniform : uniform * hit;
  int64_t count = 0;
  const double odds = rate / (1 - rate);
  if (least == 1) {
    count = 1;
    chance *= static_cast<double>(bits) * odds;
  }
  while (left >= chance && count < bits && (chance > 0 || count == 0)) {
    left -= chance;
    chance *= static_cast<double>(bits - count) / static_cast<double>(count + 1) * odds;
    count += 1;
  }
  return count;
}

}  // namespace

double hit_probability(double rate, int64_t bits) {
  double hit = 0;
  double block = rate;  // of 1, 2, 4, ... bits
  for (int64_t left = bits; left > 0; left >>= 1) {
    if ((left & 1) != 0) hit = hit + block - hit * block;
    block = block + block - block * block;
  }
  return hit;
}

MapStrata::MapStrata(const fault::Injector& injector, double rate, const std::string& place)
    : layout_(&injector.layout()) {
  check_source(injector.model(), place);
  const FaultSource& source = injector.model().sources.front();
  kinds_ = source.kinds;
  rate_ = source.rate.value_or(rate * source.rate_factor);
  std::vector<BitClass> positions = positions_of(injector, place);
  double expected = 0;
  for (const BitClass& one : positions) expected += rate_ * static_cast<double>(one.bits);
  FLATENN_CHECK(expected <= kMostFaults && rate_ < 0.5, place,
                ": a stratified estimate is for rare faults, at most ", kMostFaults,
                " expected in a map; rate ", number_text(rate_), " gives ", number_text(expected));
  std::stable_sort(positions.begin(), positions.end(),
                   [](const BitClass& a, const BitClass& b) { return a.harm > b.harm; });
  double reach = 1;  // share of maps without a fault in the classes so far, but for the last one
  double edge = 0;
  for (const BitClass& one : positions) {
    if (one.harm <= 0) {
      join(inert_, one);
      continue;
    }
    const double misses = classes_.empty() ? 1 : 1 - hit_probability(rate_, classes_.back().bits);
    const bool opens = classes_.empty() || (one.harm < edge && classes_.size() < kMostClasses &&
                                            reach * misses >= kLeastReach);
    if (!opens) {
      join(classes_.back(), one);
      continue;
    }
    reach *= misses;
    edge = one.harm / kFactor;
    classes_.push_back(one);
  }
  FLATENN_CHECK(rate_ > 0 && !classes_.empty(), place,
                ": a stratified estimate has nothing to do: ",
                rate_ > 0 ? "no fault can change a code" : "the rate is 0");
  for (const BitClass& one : classes_) {
    const double hit = hit_probability(rate_, one.bits);
    weights_.push_back(untouched_ * hit);
    untouched_ *= 1 - hit;
  }
}

std::string MapStrata::name(int64_t stratum) const {
  const auto& positions = classes_[static_cast<size_t>(stratum)].positions;
  const BitClass::Position& first = positions.front();
  std::string text =
      detail::concat(layout_->tensors[static_cast<size_t>(first.tensor)].name, " bit ", first.bit);
  if (positions.size() > 1) text += detail::concat(" and ", positions.size() - 1, " more");
  return text;
}

void MapStrata::add_faults(const BitClass& bits, size_t stream, int64_t least, uint64_t seed,
                           uint64_t trial, std::vector<fault::Fault>& faults) const {
  if (bits.bits == 0) return;
  // Maps of an exact count use the purpose's sub_a = 0.
  RandomStream random(seed, trial, RandomPurpose::kExactCount, 1 + stream);
  const int64_t count = draw_count(random.uniform(), rate_, bits.bits, least);
  std::unordered_set<int64_t> drawn;
  while (std::ssize(drawn) < count) {
    auto n = static_cast<int64_t>(random.below(static_cast<uint64_t>(bits.bits)));
    if (!drawn.insert(n).second) continue;
    auto position = bits.positions.begin();
    for (; n >= position->elements; ++position) n -= position->elements;
    const FaultKind kind = kinds_.pick(kinds_.is_mix() ? random.uniform() : 0);
    faults.push_back({{position->tensor, position->bit, n}, kind});
  }
}

fault::FaultMap MapStrata::draw(int64_t stratum, uint64_t seed, uint64_t trial) const {
  fault::FaultMap map;
  const auto hit = static_cast<size_t>(stratum);
  for (size_t i = hit; i < classes_.size(); ++i) {
    add_faults(classes_[i], i, i == hit ? 1 : 0, seed, trial, map.faults);
  }
  add_faults(inert_, classes_.size(), 0, seed, trial, map.faults);
  std::sort(map.faults.begin(), map.faults.end());
  return map;
}

int64_t least_trials() { return 8; }

std::vector<int64_t> allocate_trials(std::span<const double> weights, std::span<const double> sds,
                                     int64_t trials) {
  constexpr double kByWeight = 0.2;
  const auto count = std::ssize(weights);
  FLATENN_CHECK(trials >= count * least_trials(), "trials: a stratified estimate of ", count,
                " strata needs at least ", count * least_trials(), ", got ", trials);
  double products = 0, sum = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    products += weights[i] * sds[i];
    sum += weights[i];
  }
  const int64_t rest = trials - count * least_trials();
  std::vector<int64_t> given(weights.size(), least_trials());
  std::vector<std::pair<double, size_t>> parts;
  int64_t left = rest;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double by_weight = weights[i] / sum;
    const double share =
        products > 0 ? (1 - kByWeight) * weights[i] * sds[i] / products + kByWeight * by_weight
                     : by_weight;
    const double wanted = share * static_cast<double>(rest);
    const auto whole = std::min(static_cast<int64_t>(wanted), left);
    given[i] += whole;
    left -= whole;
    parts.emplace_back(static_cast<double>(whole) - wanted, i);
  }
  std::stable_sort(parts.begin(), parts.end());
  for (size_t i = 0; left > 0; i = (i + 1) % parts.size(), --left) given[parts[i].second] += 1;
  return given;
}

std::vector<int32_t> stratum_order(std::span<const int64_t> trials) {
  const int64_t total = std::accumulate(trials.begin(), trials.end(), int64_t{0});
  std::vector<int64_t> given(trials.size());
  std::vector<int32_t> order;
  order.reserve(static_cast<size_t>(total));
  const auto take = [&](size_t stratum) {
    given[stratum] += 1;
    order.push_back(static_cast<int32_t>(stratum));
  };
  for (int64_t round = 0; round < 2; ++round) {
    for (size_t i = 0; i < trials.size(); ++i) {
      if (given[i] < trials[i]) take(i);
    }
  }
  while (std::ssize(order) < total) {
    const int64_t next = std::ssize(order) + 1;
    const auto lag = [&](size_t i) {
      return given[i] < trials[i] ? trials[i] * next - given[i] * total
                                  : std::numeric_limits<int64_t>::min();
    };
    size_t most = 0;
    for (size_t i = 1; i < trials.size(); ++i) {
      if (lag(i) > lag(most)) most = i;
    }
    take(most);
  }
  return order;
}

}  // namespace flatenn::campaign
