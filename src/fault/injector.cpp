#include "flatenn/fault/injector.h"

#include <algorithm>
#include <cmath>

#include "fault/activation_memory.h"
#include "fault/apply.h"
#include "fault/dense_bits.h"
#include "fault/grouped_faults.h"
#include "fault/level_noise.h"
#include "fault/protected_memory.h"
#include "fault/random_bits.h"
#include "fault/source_checks.h"
#include "flatenn/base/error.h"
#include "flatenn/base/number.h"

namespace flatenn::fault {
/// A source of faults in stored weights or biases, resolved against the network.
struct MemorySource {
  FaultSource source;
  uint64_t number = 0;
  Selection selection;  ///< Empty for lists.
  FaultMap fixed;       ///< Of lists.
};

namespace {

constexpr size_t kMaxSources = 256;  // streams number sources in 8 bits

void check_probability(double rate) {
  FLATENN_CHECK(rate >= 0 && rate <= 1, "bit error rate must be in [0, 1], got ",
                number_text(rate));
}

double own_rate(const MemorySource& resolved, double rate) {
  const FaultSource& source = resolved.source;
  const double own = source.rate.value_or(rate * source.rate_factor);
  FLATENN_CHECK(own <= 1, "faults[", resolved.number, "]: the plan's rate ", number_text(rate),
                " times rate_factor ", number_text(source.rate_factor), " exceeds 1");
  return own;
}

void check_fits(const MemorySource& resolved, const MemoryLayout& layout,
                const std::string& place) {
  const FaultSource& source = resolved.source;
  const int64_t bits = count_bits(resolved.selection, layout);
  FLATENN_CHECK(source.count.value_or(0) <= bits, place, ": count ", source.count.value_or(0),
                " exceeds the ", bits, " stored bits selected");
  for (const SelectedTensor& selected : resolved.selection) {
    const MemoryTensor& tensor = layout.tensors[static_cast<size_t>(selected.tensor)];
    FLATENN_CHECK(source.bit_factors.empty() || std::ssize(source.bit_factors) >= tensor.bits,
                  place, ": ", source.bit_factors.size(), " bit factors, but ", tensor.name,
                  " has words of ", tensor.bits, " bits");
  }
}

/// Runs `add`, which appends faults in order, and brings all into order.
template <typename Add>
void add_in_order(std::vector<Fault>& faults, const Add& add) {
  const auto before = std::ssize(faults);
  add();
  std::inplace_merge(faults.begin(), faults.begin() + before, faults.end());
}

const SelectedTensor* find_tensor(const Selection& selection, int32_t tensor) {
  const auto found = std::find_if(selection.begin(), selection.end(),
                                  [&](const SelectedTensor& s) { return s.tensor == tensor; });
  return found == selection.end() ? nullptr : &*found;
}

}  // namespace

struct Injector::State {
  std::shared_ptr<const net::Network> network;
  FaultModel model;
  MemoryLayout layout;
  std::optional<ArrayMap> arrays;
  int64_t saturated = 0;
  int64_t clipped = 0;
  std::vector<WordTable> tables;  ///< Of the weight tensors.
  std::vector<MemorySource> memory;
  std::vector<ActivationSource> activations;

  void store(std::shared_ptr<const net::Network> given);
  void add(const FaultSource& source, uint64_t number);
  void draw(const MemorySource& source, double rate, const DrawKey& key, FaultMap& map) const;
  void draw_checks(const MemorySource& source, double rate, const DrawKey& key,
                   std::vector<Fault>& faults) const;
  /// Faults expected in a trial where masks serve it better than a map; 0 elsewhere.
  double dense_faults(double rate) const;
  void inject_dense(double rate, uint64_t seed, uint64_t trial, Injection& injection) const;
  StoredNetwork stored() const { return {*network, layout, model, tables}; }
};

void Injector::State::store(std::shared_ptr<const net::Network> given) {
  net::Network stored = *given;
  saturated = saturate(stored, model.encoding);
  layout = memory_layout(stored, model.encoding);
  const std::vector<CodeRange> ranges = clip_ranges(model.protection, stored, layout);
  clipped = clip_codes(stored, layout, ranges);
  for (size_t i = 0; i < ranges.size(); ++i) {
    tables.emplace_back(layout.tensors[i].code_bits, model.encoding, ranges[i]);
  }
  network = saturated + clipped > 0 ? std::make_shared<net::Network>(std::move(stored))
                                    : std::move(given);
}

void Injector::State::add(const FaultSource& source, uint64_t number) {
  const std::string place = detail::concat("faults[", number, "]");
  check_source(source, model, place);
  if (source.target == FaultTarget::kActivations) {
    activations.push_back(select_activations(source, number, *network, place));
    return;
  }
  MemorySource resolved{.source = source, .number = number};
  if (source.unit == FaultUnit::kList) {
    resolved.fixed = resolve(*source.list, layout, arrays ? &*arrays : nullptr);
  } else {
    resolved.selection = select(source, layout, place);
    check_fits(resolved, layout, place);
  }
  memory.push_back(std::move(resolved));
}

void Injector::State::draw(const MemorySource& resolved, double rate, const DrawKey& key,
                           FaultMap& map) const {
  const FaultSource& source = resolved.source;
  const double own = own_rate(resolved, rate);
  switch (source.unit) {
    case FaultUnit::kBit:
      if (source.count) {
        draw_exact_count(source, resolved.selection, layout, key, map.faults);
        break;
      }
      draw_bits(source, resolved.selection, layout, own, key, map.faults);
      draw_checks(resolved, own, key, map.check_faults);
      break;
    case FaultUnit::kWord:
      draw_words(source, resolved.selection, layout, own, key, map.faults);
      break;
    case FaultUnit::kBurst:
      draw_bursts(source, resolved.selection, layout, own, key, map.faults);
      break;
    case FaultUnit::kRow:
    case FaultUnit::kColumn:
    case FaultUnit::kCell:
      draw_array(source, resolved.selection, *arrays, own, key, map.faults);
      break;
    case FaultUnit::kLevel:
      draw_levels(source, resolved.selection, stored(), own, key, map.faults);
      break;
    case FaultUnit::kList:
      map.faults.insert(map.faults.end(), resolved.fixed.faults.begin(),
                        resolved.fixed.faults.end());
      map.check_faults.insert(map.check_faults.end(), resolved.fixed.check_faults.begin(),
                              resolved.fixed.check_faults.end());
      break;
  }
}

void Injector::State::draw_checks(const MemorySource& resolved, double own, const DrawKey& key,
                                  std::vector<Fault>& faults) const {
  if (!resolved.source.bits.empty()) return;
  draw_check_bits(resolved.source, resolved.selection, layout, model.protection.code, own, key,
                  faults);
}

double Injector::State::dense_faults(double rate) const {
  double faults = 0;
  double words = 0;
  for (const MemorySource& resolved : memory) {
    const FaultSource& source = resolved.source;
    if (source.unit != FaultUnit::kBit || source.count) return 0;
    const double own = own_rate(resolved, rate);
    for (const SelectedTensor& selected : resolved.selection) {
      const MemoryTensor& tensor = layout.tensors[static_cast<size_t>(selected.tensor)];
      if (tensor.is_bias) return 0;
      const auto elements = static_cast<double>(tensor.elements);
      words += elements;
      for (const int32_t bit : selected.bits) {
        faults += elements * bit_rate(source, own, bit, tensor.bits);
      }
    }
  }
  return faults >= kDenseFaults * words ? faults : 0;
}

void Injector::State::inject_dense(double rate, uint64_t seed, uint64_t trial,
                                   Injection& injection) const {
  thread_local WordMasks masks;
  std::vector<Fault> checks;
  for (const MemorySource& resolved : memory) {
    add_in_order(checks, [&] {
      draw_checks(resolved, own_rate(resolved, rate),
                  {.seed = seed, .trial = trial, .source = resolved.number}, checks);
    });
  }
  if (memory.size() > 1) join_faults(checks);
  injection.counts.check_drawn = std::ssize(checks);
  const StoredNetwork network_and_tables = stored();
  WeightReader reader(network_and_tables, injection);
  auto check = checks.cbegin();
  for (int32_t index = 0; index < layout.weight_tensors; ++index) {
    const MemoryTensor& tensor = layout.tensors[static_cast<size_t>(index)];
    masks.start(tensor.elements);
    for (const MemorySource& resolved : memory) {
      if (const SelectedTensor* selected = find_tensor(resolved.selection, index)) {
        draw_masks(resolved.source, *selected, tensor, own_rate(resolved, rate),
                   {.seed = seed, .trial = trial, .source = resolved.number}, masks);
      }
    }
    const auto begin = check;
    while (check != checks.cend() && check->site.tensor == index) ++check;
    injection.counts.drawn += reader.read(index, masks, {begin, check});
  }
}

Injector::Injector(std::shared_ptr<const net::Network> network, FaultModel model) {
  FLATENN_CHECK(model.sources.size() <= kMaxSources, "faults: at most ", kMaxSources,
                " sources, got ", model.sources.size());
  check_protection(model.protection);
  auto state = std::make_unique<State>();
  state->model = std::move(model);
  state->store(std::move(network));
  if (state->model.array) {
    state->arrays.emplace(state->layout, state->model.encoding, *state->model.array);
  }
  for (size_t i = 0; i < state->model.sources.size(); ++i) state->add(state->model.sources[i], i);
  state_ = std::move(state);
}

Injector::~Injector() = default;
Injector::Injector(Injector&&) noexcept = default;
Injector& Injector::operator=(Injector&&) noexcept = default;

std::shared_ptr<const net::Network> Injector::network() const { return state_->network; }
int64_t Injector::saturated() const { return state_->saturated; }
int64_t Injector::clipped() const { return state_->clipped; }
const MemoryLayout& Injector::layout() const { return state_->layout; }
const FaultModel& Injector::model() const { return state_->model; }
const ArrayMap* Injector::arrays() const { return state_->arrays ? &*state_->arrays : nullptr; }

void Injector::check_rate(double rate) const {
  for (const MemorySource& resolved : state_->memory) {
    const double own = own_rate(resolved, rate);
    for (const SelectedTensor& selected : resolved.selection) {
      const int bits = state_->layout.tensors[static_cast<size_t>(selected.tensor)].bits;
      for (const int32_t bit : selected.bits) (void)bit_rate(resolved.source, own, bit, bits);
    }
  }
  for (const ActivationSource& source : state_->activations) fault::check_rate(source, rate);
}

FaultMap Injector::draw(double rate, uint64_t seed, uint64_t trial) const {
  check_probability(rate);
  FaultMap map;
  for (const MemorySource& source : state_->memory) {
    add_in_order(map.faults, [&] {
      add_in_order(map.check_faults, [&] {
        state_->draw(source, rate, {.seed = seed, .trial = trial, .source = source.number}, map);
      });
    });
  }
  if (state_->memory.size() > 1) {
    join_faults(map.faults);
    join_faults(map.check_faults);
  }
  return map;
}

Injection Injector::apply(const FaultMap& map) const {
  check_sites(map, state_->layout, state_->model.protection.code);
  Injection injection;
  apply_map(map, state_->stored(), injection);
  return injection;
}

void Injector::inject(double rate, uint64_t seed, uint64_t trial, Injection& injection) const {
  check_probability(rate);
  injection.clear();
  if (const double faults = state_->dense_faults(rate); faults > 0) {
    // Almost never too few: the number's deviation is the square root of its mean.
    injection.weights.reserve(static_cast<size_t>(faults + 8 * std::sqrt(faults)));
    state_->inject_dense(rate, seed, trial, injection);
  } else {
    apply_map(draw(rate, seed, trial), state_->stored(), injection);
  }
  if (!state_->activations.empty()) {
    injection.activations = std::make_shared<DrawnActivationFaults>(
        state_->activations, *state_->network, rate, seed, trial);
  }
}

Injection Injector::inject(double rate, uint64_t seed, uint64_t trial) const {
  Injection injection;
  inject(rate, seed, trial, injection);
  return injection;
}

void Injection::clear() {
  weights.clear();
  biases.clear();
  activations.reset();
  counts = {};
}

}  // namespace flatenn::fault
