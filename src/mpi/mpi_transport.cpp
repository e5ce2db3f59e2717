/// The only code that links MPI: a shared library that the program loads when MPI started it
/// (src/cli/ranks.cpp), so that flatenn runs where there is no MPI.
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <list>
#include <thread>

#include "flatenn/campaign/transport.h"

namespace flatenn {
namespace {

/// Of a communicator that reports errors: an answer that is not MPI_SUCCESS means a rank is gone.
class MpiTransport final : public campaign::Transport {
 public:
  MpiTransport() {
    int given = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &given);
    MPI_Comm_dup(MPI_COMM_WORLD, &all_);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(all_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(all_, &rank_);
    MPI_Comm_size(all_, &size_);
    MPI_Comm node = MPI_COMM_NULL;
    MPI_Comm_split_type(all_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node);
    MPI_Comm_rank(node, &local_rank_);
    MPI_Comm_size(node, &local_size_);
    MPI_Comm_free(&node);
  }

  ~MpiTransport() override {
    if (is_abandoned_) {
      MPI_Abort(all_, 0);
      return;
    }
    for (Outgoing& message : outgoing_) MPI_Wait(&message.request, MPI_STATUS_IGNORE);
    MPI_Finalize();
  }

  int64_t rank() const override { return rank_; }
  int64_t size() const override { return size_; }
  int64_t local_rank() const override { return local_rank_; }
  int64_t local_size() const override { return local_size_; }

  void broadcast(std::string& bytes) override {
    constexpr size_t kPiece = size_t{1} << 30;  // MPI counts in int
    uint64_t size = bytes.size();
    MPI_Bcast(&size, 1, MPI_UINT64_T, 0, all_);
    bytes.resize(size);
    for (size_t at = 0; at < size; at += kPiece) {
      const size_t piece = std::min<size_t>(kPiece, size - at);
      MPI_Bcast(bytes.data() + at, static_cast<int>(piece), MPI_BYTE, 0, all_);
    }
  }

  void send(int64_t rank, std::string bytes) override {
    drop_sent();
    Outgoing& message = outgoing_.emplace_back(Outgoing{std::move(bytes), MPI_REQUEST_NULL});
    const int error = MPI_Isend(message.bytes.data(), static_cast<int>(message.bytes.size()),
                                MPI_BYTE, static_cast<int>(rank), kTag, all_, &message.request);
    if (error != MPI_SUCCESS) outgoing_.pop_back();
  }

  std::optional<Message> receive() override {
    drop_sent();
    int there = 0;
    MPI_Status status;
    const int error = MPI_Iprobe(MPI_ANY_SOURCE, kTag, all_, &there, &status);
    if (error != MPI_SUCCESS || there == 0) return std::nullopt;
    int bytes = 0;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    Message message{.rank = status.MPI_SOURCE, .bytes = std::string(static_cast<size_t>(bytes), 0)};
    if (MPI_Recv(message.bytes.data(), bytes, MPI_BYTE, status.MPI_SOURCE, kTag, all_,
                 MPI_STATUS_IGNORE) != MPI_SUCCESS)
      return std::nullopt;
    return message;
  }

  void abandon() override { is_abandoned_ = true; }

 private:
  static constexpr int kTag = 1;
  struct Outgoing {
    std::string bytes;
    MPI_Request request;
  };

  /// Frees what has left, in order.
  void drop_sent() {
    while (!outgoing_.empty()) {
      int sent = 0;
      MPI_Test(&outgoing_.front().request, &sent, MPI_STATUS_IGNORE);
      if (sent == 0) return;
      outgoing_.pop_front();
    }
  }

  MPI_Comm all_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  int local_rank_ = 0;
  int local_size_ = 1;
  std::list<Outgoing> outgoing_;
  bool is_abandoned_ = false;
};

}  // namespace
}  // namespace flatenn

extern "C" {
/// Called before the other, whose class must be this build's.
__attribute__((visibility("default"))) const char* flatenn_mpi_version() { return FLATENN_VERSION; }

/// For a rank whose program is another build, which knows of this library only what stands here:
/// takes a rank's part in the start, sends `message` to rank 0, and waits until that says `stop`.
__attribute__((visibility("default"))) void flatenn_mpi_decline(const char* message, int64_t bytes,
                                                                char stop) {
  constexpr auto kPause = std::chrono::milliseconds(5);
  constexpr auto kPatience =
      std::chrono::minutes(3);  // rank 0 says every few seconds that it lives
  flatenn::MpiTransport ranks;
  std::string files;
  ranks.broadcast(files);
  if (files.empty()) return;  // rank 0 gave up
  ranks.send(0, std::string(message, static_cast<size_t>(bytes)));
  auto heard = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - heard < kPatience) {
    const auto answer = ranks.receive();
    if (answer && !answer->bytes.empty() && answer->bytes.front() == stop) return;
    if (answer) heard = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(kPause);
  }
  ranks.abandon();
}

/// Starts MPI; deleting what is given ends it.
__attribute__((visibility("default"))) flatenn::campaign::Transport* flatenn_mpi_open() {
  return new flatenn::MpiTransport();
}
}
