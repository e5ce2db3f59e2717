#include "fault/activation_memory.h"

#include <algorithm>

#include "fault/random_bits.h"
#include "flatenn/base/config.h"
#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

constexpr int64_t kMaxActivations = 256;  // streams number them in 8 bits
// Images are sub_a of the streams of flips; stuck-at maps stand above all of them.
constexpr uint64_t kStuckStream = 0xffffffff;
constexpr uint64_t kSharedStuckStream = 0xfffffffe;

/// Index of the activation that a name means.
int64_t find_activation(const std::string& name, const net::Network& network,
                        const std::string& place) {
  std::vector<std::string> known;
  for (const net::Layer& layer : network.layers) {
    known.push_back(layer.name);
    if (layer.name == name) return layer.dst;
  }
  for (size_t i = 0; i < network.activations.size(); ++i) {
    known.push_back(network.activations[i].name);
    if (known.back() == name) return static_cast<int64_t>(i);
  }
  const auto nearest = nearest_name(name, known);
  throw Error(detail::concat(place, ": no layer or activation '", name, "'",
                             nearest ? "; did you mean '" + *nearest + "'?" : ""));
}

void mark(const std::vector<std::string>& names, bool value, const net::Network& network,
          const std::string& place, std::vector<bool>& reaches) {
  for (const std::string& name : names) {
    const int64_t index = find_activation(name, network, place);
    FLATENN_CHECK(!network.activations[static_cast<size_t>(index)].is_float, place, ": '", name,
                  "' stores no activation codes (its output is float)");
    reaches[static_cast<size_t>(index)] = value;
  }
}

double source_rate(const FaultSource& source, double rate) {
  return source.rate.value_or(rate * source.rate_factor);
}

/// Largest rate of any bit; also checks that none exceeds 1.
double highest_rate(const FaultSource& source, double rate) {
  double highest = source.bit_factors.empty() ? rate : 0;
  for (const double factor : source.bit_factors) highest = std::max(highest, rate * factor);
  FLATENN_CHECK(highest <= 1, "faults: rate ", rate, " times a bit's factor is ", highest,
                ", above 1");
  return highest;
}

void add_to_mask(CodeMask& mask, int bit, FaultKind kind) {
  const auto one = static_cast<uint8_t>(1 << bit);
  if (kind == FaultKind::kBitFlip) mask.flip = static_cast<uint8_t>(mask.flip ^ one);
  const bool sets = kind == FaultKind::kStuckAt1 || kind == FaultKind::kFlip0To1;
  if (sets) mask.set = static_cast<uint8_t>(mask.set | one);
  const bool clears = kind == FaultKind::kStuckAt0 || kind == FaultKind::kFlip1To0;
  if (clears) mask.clear = static_cast<uint8_t>(mask.clear | one);
}

/// Joins masks of equal elements; sorts where several sources gave them.
void join(std::vector<CodeMask>& masks, bool sorted) {
  if (!sorted) {
    std::stable_sort(masks.begin(), masks.end(),
                     [](const CodeMask& a, const CodeMask& b) { return a.element < b.element; });
  }
  size_t kept = 0;
  for (const CodeMask& mask : masks) {
    if (kept > 0 && masks[kept - 1].element == mask.element) {
      CodeMask& last = masks[kept - 1];
      last.flip = static_cast<uint8_t>(last.flip ^ mask.flip);
      last.set = static_cast<uint8_t>(last.set | mask.set);
      last.clear = static_cast<uint8_t>(last.clear | mask.clear);
    } else {
      masks[kept++] = mask;
    }
  }
  masks.resize(kept);
}

/// Appends one mask for each hit of a stream over words of `bits` bits.
void add_hits(BandSampler& sampler, SiteStreams& streams, const FaultSource& source, int bits,
              int64_t words, double rate, std::vector<CodeMask>& masks) {
  const double highest = highest_rate(source, rate);
  for (const Hit& hit : sampler.sample(streams.sites, streams.marks(), words * bits, highest)) {
    const int bit = static_cast<int>(hit.index % bits);
    if (!source.wants_bit(bit, bits)) continue;
    if (!(hit.u < rate * bit_factor(source, bit, bits))) continue;
    CodeMask mask{.element = hit.index / bits};
    add_to_mask(mask, bit, source.kinds.pick(hit.kind));
    masks.push_back(mask);
  }
}

}  // namespace

ActivationSource select_activations(const FaultSource& source, uint64_t number,
                                    const net::Network& network, const std::string& place) {
  FLATENN_CHECK(source.unit == FaultUnit::kBit && !source.count, place,
                ": activations take unit bit and a rate");
  FLATENN_CHECK(!source.kinds.has_flips() || !source.kinds.has_defects(), place,
                ": flips and stuck-at faults of activations need a source each");
  FLATENN_CHECK(std::ssize(network.activations) <= kMaxActivations, place, ": at most ",
                kMaxActivations, " activations, the network has ", network.activations.size());
  ActivationSource selected{.source = source, .number = number};
  selected.reaches.resize(network.activations.size(), false);
  if (source.layers.empty()) {
    for (size_t i = 1; i < network.activations.size(); ++i) {
      selected.reaches[i] = !network.activations[i].is_float;
    }
  }
  mark(source.layers, true, network, place, selected.reaches);
  mark(source.spare, false, network, place, selected.reaches);
  bool any = false;
  for (size_t i = 0; i < selected.reaches.size(); ++i) {
    if (!selected.reaches[i]) continue;
    const net::Activation& activation = network.activations[i];
    FLATENN_CHECK(source.bit_factors.empty() || std::ssize(source.bit_factors) >= activation.bits,
                  place, ": ", source.bit_factors.size(), " bit factors, but ", activation.name,
                  " has ", activation.bits, " bits");
    for (int bit = 0; bit < activation.bits; ++bit) {
      any = any || source.wants_bit(bit, activation.bits);
    }
  }
  FLATENN_CHECK(any, place, ": no stored activation bits left to fault");
  return selected;
}

void check_rate(const ActivationSource& source, double rate) {
  (void)highest_rate(source.source, source_rate(source.source, rate));
}

DrawnActivationFaults::DrawnActivationFaults(const std::vector<ActivationSource>& sources,
                                             const net::Network& network, double rate,
                                             uint64_t seed, uint64_t trial)
    : sources_(sources), seed_(seed), trial_(trial), stuck_(network.activations.size()) {
  for (const net::Activation& activation : network.activations) {
    bits_.push_back(activation.bits);
    elements_.push_back(activation.shape.elements());
  }
  for (size_t i = 0; i < sources_.size(); ++i) {
    const ActivationSource& source = sources_[i];
    const double own_rate = source_rate(source.source, rate);
    if (highest_rate(source.source, own_rate) == 0) continue;
    if (source.source.kinds.has_flips()) {
      flips_.push_back({i, own_rate});
    } else {
      add_stuck(source, own_rate, network);
    }
  }
  for (auto& masks : stuck_) join(masks, false);
}

void DrawnActivationFaults::add_stuck(const ActivationSource& source, double rate,
                                      const net::Network& network) {
  const DrawKey key{.seed = seed_, .trial = trial_, .source = source.number};
  BandSampler sampler;
  std::vector<CodeMask> shared;
  if (source.source.shared_buffer) {
    int bits = 1;
    int64_t words = 0;
    for (size_t i = 0; i < source.reaches.size(); ++i) {
      if (!source.reaches[i]) continue;
      bits = std::max(bits, bits_[i]);
      words = std::max(words, elements_[i]);
    }
    SiteStreams streams(key, RandomPurpose::kActivationFault, kSharedStuckStream, 0,
                        source.source.kinds);
    add_hits(sampler, streams, source.source, bits, words, rate, shared);
  }
  for (size_t i = 0; i < network.activations.size(); ++i) {
    if (!source.reaches[i]) continue;
    if (!source.source.shared_buffer) {
      SiteStreams streams(key, RandomPurpose::kActivationFault, kStuckStream, i,
                          source.source.kinds);
      add_hits(sampler, streams, source.source, bits_[i], elements_[i], rate, stuck_[i]);
      continue;
    }
    const auto width = static_cast<uint8_t>((1 << bits_[i]) - 1);
    for (CodeMask mask : shared) {
      if (mask.element >= elements_[i]) break;
      mask.set = static_cast<uint8_t>(mask.set & width);
      mask.clear = static_cast<uint8_t>(mask.clear & width);
      if ((mask.set | mask.clear) != 0) stuck_[i].push_back(mask);
    }
  }
}

bool DrawnActivationFaults::touches(int64_t activation) const {
  const auto i = static_cast<size_t>(activation);
  return !stuck_[i].empty() || std::any_of(flips_.begin(), flips_.end(), [&](const Flips& flips) {
    return sources_[flips.source].reaches[i];
  });
}

void DrawnActivationFaults::masks(int64_t activation, int64_t image,
                                  std::vector<CodeMask>& masks) const {
  const auto i = static_cast<size_t>(activation);
  masks = stuck_[i];
  int runs = masks.empty() ? 0 : 1;
  thread_local BandSampler sampler;
  for (const Flips& flips : flips_) {
    const ActivationSource& source = sources_[flips.source];
    if (!source.reaches[i]) continue;
    const DrawKey key{.seed = seed_, .trial = trial_, .source = source.number};
    SiteStreams streams(key, RandomPurpose::kActivationFault, static_cast<uint64_t>(image), i,
                        source.source.kinds);
    const size_t before = masks.size();
    add_hits(sampler, streams, source.source, bits_[i], elements_[i], flips.rate, masks);
    runs += masks.size() > before ? 1 : 0;
  }
  if (runs > 0) join(masks, runs == 1);
}

}  // namespace flatenn::fault
