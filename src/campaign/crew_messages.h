#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "flatenn/store/worker.h"

/// What the ranks of a crew tell each other. The first byte of a message is its kind.
namespace flatenn::campaign {

enum class MessageKind : char {
  kStart = 'S',   ///< To a worker: what the plan is; JSON.
  kReady = 'H',   ///< From a worker: who it is; JSON.
  kBatch = 'B',   ///< To a worker: trials to run.
  kRows = 'R',    ///< From a worker: a batch's trials.
  kFailed = 'F',  ///< From a worker: why it takes no part any more; JSON.
  kPing = 'P',    ///< To a worker: rank 0 is still there.
  kPong = 'A',    ///< From a worker: so is it.
  kStop = 'Q',    ///< To a worker: nothing more to run.
  kBye = 'Z',     ///< From a worker: the last message.
};

struct BatchMessage {
  int64_t batch = 0;
  std::vector<store::TrialKey> keys;
};
struct RowsMessage {
  int64_t batch = 0;
  double seconds = 0;    ///< Spent on the batch.
  int64_t verified = 0;  ///< Trials run twice.
  std::vector<store::TrialRow> rows;
};

MessageKind kind_of(const std::string& message);  ///< Throws Error where it is empty.
std::string simple_message(MessageKind kind);
std::string json_message(MessageKind kind, const nlohmann::json& content);
nlohmann::json read_json(const std::string& message);
std::string batch_message(int64_t batch, const std::vector<store::TrialKey>& keys);
BatchMessage read_batch(const std::string& message);
std::string rows_message(const RowsMessage& message);
RowsMessage read_rows(const std::string& message);

}  // namespace flatenn::campaign
