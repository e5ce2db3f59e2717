#include "fault/weight_reader.h"

#include <algorithm>

namespace flatenn::fault {
namespace {

uint32_t soft_bits(const MemoryTensor& tensor, const FaultModel& model) {
  const int groups = model.encoding == Encoding::kDifferentialPair ? 2 : 1;
  const int bits = tensor.bits / groups;
  const int hard = std::min(bits, model.protection.hardened_bits);
  const uint32_t group = (uint32_t{1} << (bits - hard)) - 1;
  return groups == 1 ? group : group | group << bits;
}

}  // namespace

WordMask take_mask(FaultIterator& next, FaultIterator end) {
  const FaultSite first = next->site;
  WordMask mask;
  for (; next != end && next->site.tensor == first.tensor && next->site.element == first.element;
       ++next) {
    mask.add(next->site.bit, next->kind);
  }
  return mask;
}

WeightReader::Tensor WeightReader::tensor_at(int32_t index) const {
  const MemoryTensor& tensor = stored_.layout.tensors[static_cast<size_t>(index)];
  return {.layer = tensor.layer,
          .weights = stored_.network.layers[static_cast<size_t>(tensor.layer)].weights,
          .table = stored_.tables[static_cast<size_t>(index)],
          .soft = soft_bits(tensor, stored_.model)};
}

void WeightReader::add(const Tensor& tensor, int64_t element, const WordMask& mask) {
  const uint32_t word = tensor.table.word(tensor.weights.codes[static_cast<size_t>(element)]);
  const uint32_t difference = (mask.apply(word) ^ word) & tensor.soft;
  injection_.counts.landed += tensor.table.ones(difference);
  if (difference != 0) errors_.push_back({.element = element, .difference = difference});
}

void WeightReader::read(int32_t index, FaultRange faults, FaultRange checks) {
  const Tensor tensor = tensor_at(index);
  errors_.clear();
  while (faults.begin != faults.end) {
    const int64_t element = faults.begin->site.element;
    add(tensor, element, take_mask(faults.begin, faults.end));
  }
  finish(tensor, checks);
}

int64_t WeightReader::read(int32_t index, WordMasks& masks, FaultRange checks) {
  const Tensor tensor = tensor_at(index);
  errors_.clear();
  int64_t faults = 0;
  masks.take([&](int64_t element, const WordMask& mask) {
    faults += tensor.table.ones(mask.any());
    add(tensor, element, mask);
  });
  finish(tensor, checks);
  return faults;
}

void WeightReader::finish(const Tensor& tensor, FaultRange checks) {
  const Protection& protection = stored_.model.protection;
  if (protection.code != CheckCode::kNone) {
    checks_.clear();
    while (checks.begin != checks.end) {
      const int64_t unit = checks.begin->site.element;
      checks_.push_back({unit, take_mask(checks.begin, checks.end)});
    }
    read_protected(protection.code, protection.zero_detected, tensor.weights,
                   stored_.model.encoding, checks_, errors_, injection_.counts);
  }
  decode_errors(tensor);
}

void WeightReader::decode_errors(const Tensor& tensor) {
  for (const WordError& error : errors_) {
    const int8_t golden = tensor.weights.codes[static_cast<size_t>(error.element)];
    const WordTable::Entry read =
        error.zeroed ? tensor.table.zero()
                     : tensor.table.entry(tensor.table.word(golden) ^ error.difference);
    injection_.counts.clipped += read.clipped ? 1 : 0;
    if (read.code == golden) continue;
    injection_.weights.push_back({tensor.layer, error.element, read.code});
  }
}

}  // namespace flatenn::fault
