#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace flatenn::campaign {

/// Carries messages between the processes (ranks) that run one campaign together. Rank 0 owns the
/// result file; the others compute. Used by one thread of each rank.
class Transport {
 public:
  struct Message {
    int64_t rank = 0;  ///< Of the sender.
    std::string bytes;
  };

  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  virtual int64_t rank() const = 0;  ///< In [0, size()).
  virtual int64_t size() const = 0;
  virtual int64_t local_rank() const = 0;  ///< Among the ranks of this machine.
  virtual int64_t local_size() const = 0;  ///< Ranks of this machine.

  /// Rank 0's bytes, for all; called by every rank at once.
  virtual void broadcast(std::string& bytes) = 0;
  /// Returns at once. Messages of one rank to another arrive in their order; what goes to a rank
  /// that is gone is lost.
  virtual void send(int64_t rank, std::string bytes) = 0;
  /// The next message that is there, if any.
  virtual std::optional<Message> receive() = 0;
  /// Some rank will not come back: ends without waiting for anyone.
  virtual void abandon() = 0;
};

}  // namespace flatenn::campaign
