#include "flatenn/fault/fault_list.h"

#include <algorithm>

#include "fault/fault_list_file.h"
#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

/// Element of an OIHW index (or of a bias channel), checked against the shape.
int64_t element_of(const ListedFault& listed, const MemoryTensor& tensor) {
  if (listed.index.empty()) return listed.element;
  int64_t element = 0;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    const int64_t at = i < listed.index.size() ? listed.index[i] : 0;
    FLATENN_CHECK(at >= 0 && at < tensor.shape[i], listed.place, ": index ", at, " of dimension ",
                  i, " is outside the memory; ", tensor.name, " has shape [", tensor.shape[0], ",",
                  tensor.shape[1], ",", tensor.shape[2], ",", tensor.shape[3], "]");
    element = element * tensor.shape[i] + at;
  }
  FLATENN_CHECK(listed.element < 0 || listed.element == element, listed.place, ": element ",
                listed.element, " and index ", tensor.index_text(element), " (element ", element,
                ") contradict each other");
  return element;
}

struct Placed {
  Fault fault;
  const std::string* place;
};

Placed place_fault(const ListedFault& listed, const MemoryLayout& layout) {
  try {
    const int32_t index = layout.find(listed.tensor);
    const MemoryTensor& tensor = layout.tensors[static_cast<size_t>(index)];
    const FaultSite site{.tensor = index, .bit = listed.bit, .element = element_of(listed, tensor)};
    check_site(site, layout);
    return {{site, listed.kind}, &listed.place};
  } catch (const Error& error) {
    const std::string message = error.what();
    throw Error(message.starts_with(listed.place) ? message : listed.place + ": " + message);
  }
}

void place_cell(const ListedCell& listed, const ArrayMap* arrays, std::vector<Placed>& placed) {
  FLATENN_CHECK(arrays != nullptr, listed.place,
                ": names cells, which needs the geometry of the memory array");
  std::optional<CellContent> content;
  try {
    content = arrays->content(listed.cell);
  } catch (const Error& error) {
    throw Error(listed.place + ": " + error.what());
  }
  if (!content) return;  // a defect in an unused cell hurts nobody
  for (int32_t i = 0; i < content->bits; ++i) {
    placed.push_back({{{content->tensor, content->first_bit + i, content->element}, listed.kind},
                      &listed.place});
  }
}

}  // namespace

int32_t checked_bit(int64_t value, const std::string& place) {
  FLATENN_CHECK(value >= 0 && value < kBiasBits, place, ": bit must be in [0, ", kBiasBits - 1,
                "], got ", value);
  return static_cast<int32_t>(value);
}

int64_t checked_element(int64_t value, const std::string& place) {
  FLATENN_CHECK(value >= 0, place, ": element must be at least 0, got ", value);
  return value;
}

FaultMap resolve(const FaultList& list, const MemoryLayout& layout, const ArrayMap* arrays) {
  std::vector<Placed> placed;
  for (const ListedFault& fault : list.faults) placed.push_back(place_fault(fault, layout));
  for (const ListedCell& cell : list.cells) place_cell(cell, arrays, placed);
  std::stable_sort(placed.begin(), placed.end(),
                   [](const Placed& a, const Placed& b) { return a.fault < b.fault; });
  FaultMap map;
  for (const Placed& p : placed) {
    if (!map.faults.empty() && map.faults.back().site == p.fault.site) {
      const MemoryTensor& tensor = layout.tensors[static_cast<size_t>(p.fault.site.tensor)];
      throw Error(detail::concat(*p.place, ": bit ", p.fault.site.bit, " of ", tensor.name,
                                 " element ", p.fault.site.element, " stands twice"));
    }
    map.faults.push_back(p.fault);
  }
  for (const ListedFault& check : list.check_faults) {
    const FaultSite unit{
        .tensor = layout.find(check.tensor), .bit = check.bit, .element = check.element};
    map.check_faults.push_back({unit, check.kind});
  }
  std::sort(map.check_faults.begin(), map.check_faults.end());
  return map;
}

}  // namespace flatenn::fault
