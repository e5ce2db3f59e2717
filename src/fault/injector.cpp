#include "flatenn/fault/injector.h"

#include <algorithm>
#include <cmath>

#include "fault/apply.h"
#include "fault/random_bits.h"
#include "fault/selection.h"
#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

constexpr size_t kMaxSources = 256;  // streams are numbered by source in 8 bits
constexpr double kShareSlack = 1e-9;

std::string place_of(size_t source) { return detail::concat("faults[", source, "]"); }

void check_share(double share, const char* name, const std::string& place) {
  FLATENN_CHECK(share >= 0 && share <= 1, place, ": share of ", name, " must be in [0, 1], got ",
                share);
}

void check_source(const FaultSource& source, const std::string& place) {
  const KindShares& kinds = source.kinds;
  check_share(kinds.bit_flip, "bit_flip", place);
  check_share(kinds.stuck_at_0, "stuck_at_0", place);
  check_share(kinds.stuck_at_1, "stuck_at_1", place);
  const double sum = kinds.bit_flip + kinds.stuck_at_0 + kinds.stuck_at_1;
  FLATENN_CHECK(std::abs(sum - 1) <= kShareSlack, place,
                ": shares of the kinds must sum to 1, got ", sum);
  FLATENN_CHECK(!source.rate || (*source.rate >= 0 && *source.rate <= 1), place,
                ": rate must be in [0, 1], got ", source.rate.value_or(0));
  FLATENN_CHECK(!source.rate || !source.count, place,
                ": rate and count contradict each other; give one");
  FLATENN_CHECK(source.count.value_or(0) >= 0, place, ": count must be at least 0, got ",
                source.count.value_or(0));
}

}  // namespace

struct Injector::State {
  std::shared_ptr<const net::Network> network;
  FaultModel model;
  MemoryLayout layout;
  int64_t saturated = 0;
  std::vector<std::vector<SelectedTensor>> selections;  ///< One a source.
};

Injector::Injector(std::shared_ptr<const net::Network> network, FaultModel model) {
  auto state = std::make_unique<State>();
  net::Network stored = *network;
  state->saturated = saturate(stored, model.encoding);
  state->network =
      state->saturated > 0 ? std::make_shared<net::Network>(std::move(stored)) : std::move(network);
  state->layout = memory_layout(*state->network, model.encoding);
  FLATENN_CHECK(model.sources.size() <= kMaxSources, "faults: at most ", kMaxSources,
                " sources, got ", model.sources.size());
  for (size_t i = 0; i < model.sources.size(); ++i) {
    const FaultSource& source = model.sources[i];
    check_source(source, place_of(i));
    state->selections.push_back(select(source, state->layout, place_of(i)));
    const int64_t bits = selected_bits(state->selections.back(), state->layout);
    FLATENN_CHECK(source.count.value_or(0) <= bits, place_of(i), ": count ",
                  source.count.value_or(0), " exceeds the ", bits, " stored bits selected");
  }
  state->model = std::move(model);
  state_ = std::move(state);
}

Injector::~Injector() = default;
Injector::Injector(Injector&&) noexcept = default;
Injector& Injector::operator=(Injector&&) noexcept = default;

std::shared_ptr<const net::Network> Injector::network() const { return state_->network; }
int64_t Injector::saturated() const { return state_->saturated; }
const MemoryLayout& Injector::layout() const { return state_->layout; }
const FaultModel& Injector::model() const { return state_->model; }

FaultMap Injector::draw(double rate, uint64_t seed, uint64_t trial) const {
  FLATENN_CHECK(rate >= 0 && rate <= 1, "bit error rate must be in [0, 1], got ", rate);
  FaultMap map;
  for (size_t i = 0; i < state_->model.sources.size(); ++i) {
    const FaultSource& source = state_->model.sources[i];
    const DrawKey key{.seed = seed, .trial = trial, .source = i};
    const auto before = static_cast<std::ptrdiff_t>(map.faults.size());
    if (source.count) {
      draw_exact_count(state_->selections[i], state_->layout, source.kinds, *source.count, key,
                       map.faults);
    } else {
      draw_bits_at_rate(state_->selections[i], state_->layout, source.kinds,
                        source.rate.value_or(rate), key, map.faults);
    }
    std::inplace_merge(map.faults.begin(), map.faults.begin() + before, map.faults.end());
  }
  return map;
}

Injection Injector::apply(const FaultMap& map) const {
  return apply_map(map, *state_->network, state_->layout, state_->model.encoding);
}

Injection Injector::inject(double rate, uint64_t seed, uint64_t trial) const {
  return apply(draw(rate, seed, trial));
}

}  // namespace flatenn::fault
