#pragma once

#include <vector>

#include "fault/protected_memory.h"
#include "fault/word_masks.h"
#include "fault/word_table.h"
#include "flatenn/fault/injector.h"

namespace flatenn::fault {

struct StoredNetwork {
  const net::Network& network;
  const MemoryLayout& layout;
  const FaultModel& model;
  const std::vector<WordTable>& tables;  ///< One a weight tensor.
};

using FaultIterator = std::vector<Fault>::const_iterator;

/// Faults in order, of one tensor.
struct FaultRange {
  FaultIterator begin;
  FaultIterator end;
};

/// The joined mask of the faults on one word or unit; `next` moves behind them.
WordMask take_mask(FaultIterator& next, FaultIterator end);

/// Reads one faulty weight tensor after the other: what the faults make of its words, then the
/// check code, decoding and clipping. Keeps its scratch.
class WeightReader {
 public:
  /// Both must outlive the reader. Changed codes and counts are added to `injection`, save the
  /// number of faults drawn.
  WeightReader(const StoredNetwork& stored, Injection& injection)
      : stored_(stored), injection_(injection) {}

  /// `tensor`: index into the layout; `checks`: faults on its check bits.
  void read(int32_t tensor, FaultRange faults, FaultRange checks);
  /// The same for faults given as masks, which are cleared. Returns the number of faults.
  int64_t read(int32_t tensor, WordMasks& masks, FaultRange checks);

 private:
  struct Tensor {
    int32_t layer;
    const net::Weights& weights;
    const WordTable& table;
    uint32_t soft;  ///< Bits of a word that can be faulty: not the hardened ones.
  };
  Tensor tensor_at(int32_t index) const;
  void add(const Tensor& tensor, int64_t element, const WordMask& mask);
  void finish(const Tensor& tensor, FaultRange checks);
  void decode_errors(const Tensor& tensor);

  const StoredNetwork& stored_;
  Injection& injection_;
  std::vector<WordError> errors_;
  std::vector<CheckError> checks_;
};

}  // namespace flatenn::fault
