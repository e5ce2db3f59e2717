#include "flatenn/fault/fault_map.h"

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>

#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

auto key(const Fault& fault) {
  return std::tie(fault.site.tensor, fault.site.element, fault.site.bit, fault.kind);
}

std::string describe(const FaultSite& site, const MemoryLayout& layout) {
  const auto known = site.tensor >= 0 && site.tensor < std::ssize(layout.tensors);
  return detail::concat(known ? layout.tensors[static_cast<size_t>(site.tensor)].name
                              : "tensor " + std::to_string(site.tensor),
                        " element ", site.element, " bit ", site.bit);
}

constexpr size_t kKinds = 5;

/// What the faults met on one bit do together; nothing where they undo each other.
std::optional<FaultKind> joint_kind(const std::array<int64_t, kKinds>& met) {
  for (const FaultKind kind :
       {FaultKind::kStuckAt0, FaultKind::kStuckAt1, FaultKind::kFlip1To0, FaultKind::kFlip0To1}) {
    if (met.at(static_cast<size_t>(kind)) > 0) return kind;
  }
  const bool odd = met.at(static_cast<size_t>(FaultKind::kBitFlip)) % 2 == 1;
  return odd ? std::optional(FaultKind::kBitFlip) : std::nullopt;
}

}  // namespace

const std::vector<std::string>& fault_kind_names() {
  static const std::vector<std::string> names = {"bit_flip", "stuck_at_0", "stuck_at_1",
                                                 "flip_0_to_1", "flip_1_to_0"};
  return names;
}

FaultKind parse_fault_kind(const std::string& name) {
  const std::vector<std::string>& names = fault_kind_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    std::string choices;
    for (const std::string& choice : names) choices += (choices.empty() ? "" : ", ") + choice;
    throw Error("fault kind: must be one of " + choices + ", got '" + name + "'");
  }
  return static_cast<FaultKind>(found - names.begin());
}

std::string to_string(FaultKind kind) { return fault_kind_names().at(static_cast<size_t>(kind)); }

bool operator<(const Fault& a, const Fault& b) { return key(a) < key(b); }

void join_faults(std::vector<Fault>& faults) {
  size_t kept = 0;
  for (size_t i = 0; i < faults.size();) {
    Fault joined = faults[i];
    std::array<int64_t, kKinds> met{};
    for (; i < faults.size() && faults[i].site == joined.site; ++i) {
      ++met.at(static_cast<size_t>(faults[i].kind));
    }
    if (const auto kind = joint_kind(met)) {
      joined.kind = *kind;
      faults[kept++] = joined;
    }
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
