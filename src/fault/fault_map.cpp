#include "flatenn/fault/fault_map.h"

#include <algorithm>
#include <tuple>

#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

constexpr const char* kNames[] = {"bit_flip", "stuck_at_0", "stuck_at_1"};

auto key(const Fault& fault) {
  return std::tie(fault.site.tensor, fault.site.element, fault.site.bit, fault.kind);
}

std::string describe(const FaultSite& site, const MemoryLayout& layout) {
  const auto known = site.tensor >= 0 && site.tensor < std::ssize(layout.tensors);
  return detail::concat(known ? layout.tensors[static_cast<size_t>(site.tensor)].name
                              : "tensor " + std::to_string(site.tensor),
                        " element ", site.element, " bit ", site.bit);
}

}  // namespace

FaultKind parse_fault_kind(const std::string& name) {
  const auto* found = std::find(std::begin(kNames), std::end(kNames), name);
  FLATENN_CHECK(found != std::end(kNames),
                "fault kind: must be one of bit_flip, stuck_at_0, stuck_at_1, got '", name, "'");
  return static_cast<FaultKind>(found - std::begin(kNames));
}

std::string to_string(FaultKind kind) { return kNames[static_cast<size_t>(kind)]; }

bool operator<(const Fault& a, const Fault& b) { return key(a) < key(b); }

void join_faults(std::vector<Fault>& faults) {
  size_t kept = 0;
  for (size_t i = 0; i < faults.size();) {
    Fault joined = faults[i];
    int64_t flips = 0;
    bool stuck_at_0 = false;
    bool stuck_at_1 = false;
    for (; i < faults.size() && faults[i].site == joined.site; ++i) {
      flips += faults[i].kind == FaultKind::kBitFlip ? 1 : 0;
      stuck_at_0 = stuck_at_0 || faults[i].kind == FaultKind::kStuckAt0;
      stuck_at_1 = stuck_at_1 || faults[i].kind == FaultKind::kStuckAt1;
    }
    if (!stuck_at_0 && !stuck_at_1 && flips % 2 == 0) continue;
    joined.kind = stuck_at_0   ? FaultKind::kStuckAt0
                  : stuck_at_1 ? FaultKind::kStuckAt1
                               : FaultKind::kBitFlip;
    faults[kept++] = joined;
  }
  faults.resize(kept);
}

void check_site(const FaultSite& site, const MemoryLayout& layout) {
  FLATENN_CHECK(site.tensor >= 0 && site.tensor < std::ssize(layout.tensors),
                "fault map: ", describe(site, layout), " is outside the memory, which has ",
                layout.tensors.size(), " tensors");
  const MemoryTensor& tensor = layout.tensors[static_cast<size_t>(site.tensor)];
  FLATENN_CHECK(site.element >= 0 && site.element < tensor.elements && site.bit >= 0 &&
                    site.bit < tensor.bits,
                "fault map: ", describe(site, layout), " is outside the memory; ", tensor.name,
                " has ", tensor.elements, " words of ", tensor.bits, " bits");
}

void check_map(const FaultMap& map, const MemoryLayout& layout) {
  const Fault* last = nullptr;
  for (const Fault& fault : map.faults) {
    check_site(fault.site, layout);
    FLATENN_CHECK(last == nullptr || !(fault.site == last->site),
                  "fault map: ", describe(fault.site, layout), " stands twice");
    FLATENN_CHECK(last == nullptr || *last < fault, "fault map: ", describe(fault.site, layout),
                  " is out of order");
    last = &fault;
  }
}

}  // namespace flatenn::fault
