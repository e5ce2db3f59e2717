#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace flatenn::data::testing {

/// A web server on a free port of the loopback address, for one connection at a time.
class TestServer {
 public:
  struct File {
    std::string content;
    bool ranges = true;       ///< Answers "Range: bytes=N-" with 206; else with the whole file.
    int64_t break_after = 0;  ///< Closes the first connection after so many bytes of content.
    int failures = 0;         ///< Answers so many requests with 503 first.
  };

  using Files = std::map<std::string, File>;  ///< By path: "/name".

  explicit TestServer(Files files);
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  std::string address() const;  ///< "http://127.0.0.1:PORT"
  /// One entry a request so far: the path, and after a space the range asked for ("bytes=5-").
  std::vector<std::string> requests() const;

 private:
  void serve();
  void answer(int connection);

  Files files_;
  uint16_t port_ = 0;
  int listener_ = -1;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::jthread thread_;
};

/// A port of the loopback address on which nobody listens.
uint16_t closed_port();

}  // namespace flatenn::data::testing
