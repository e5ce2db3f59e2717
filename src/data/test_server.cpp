#include "data/test_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string_view>
#include <utility>

#include "flatenn/base/error.h"

namespace flatenn::data::testing {
namespace {

int listen_on_loopback(uint16_t& port) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  FLATENN_ASSERT(::bind(listener, raw, size) == 0 && ::listen(listener, 8) == 0 &&
                     ::getsockname(listener, raw, &size) == 0,
                 "no port on the loopback address");
  port = ntohs(address.sin_port);
  return listener;
}

std::string read_request(int connection) {
  std::string request;
  char buffer[4096];
  while (request.find("\r\n\r\n") == std::string::npos) {
    const ssize_t got = ::recv(connection, buffer, sizeof buffer, 0);
    if (got <= 0) break;
    request.append(buffer, static_cast<size_t>(got));
  }
  return request;
}

void send_all(int connection, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

std::string after(const std::string& text, const std::string& mark, char end) {
  const size_t at = text.find(mark);
  if (at == std::string::npos) return "";
  const size_t from = at + mark.size();
  return text.substr(from, text.find(end, from) - from);
}

std::string head(const std::string& status, size_t length, const std::string& more = "") {
  return "HTTP/1.1 " + status +
         "\r\nConnection: close\r\nContent-Length: " + std::to_string(length) + "\r\n" + more +
         "\r\n";
}

}  // namespace

TestServer::TestServer(Files files)
    : files_(std::move(files)),
      listener_(listen_on_loopback(port_)),
      thread_([this] { serve(); }) {}

TestServer::~TestServer() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

std::string TestServer::address() const { return "http://127.0.0.1:" + std::to_string(port_); }

std::vector<std::string> TestServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void TestServer::serve() {
  while (!stopping_) {
    const int connection = ::accept(listener_, nullptr, nullptr);
    if (connection < 0) continue;
    answer(connection);
    ::shutdown(connection, SHUT_RDWR);
    ::close(connection);
  }
}

void TestServer::answer(int connection) {
  const std::string request = read_request(connection);
  const std::string path = after(request, "GET ", ' ');
  const std::string range = after(request, "Range: ", '\r');
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(path + (range.empty() ? "" : " " + range));
  }
  const auto found = files_.find(path);
  if (found == files_.end()) return send_all(connection, head("404 Not Found", 0));
  File& file = found->second;
  if (file.failures > 0) {
    --file.failures;
    return send_all(connection, head("503 Service Unavailable", 0));
  }
  size_t from = 0;
  std::string status = "200 OK", more;
  if (file.ranges && !range.empty()) {
    from = std::stoul(after(range, "bytes=", '-'));
    if (from >= file.content.size()) {
      return send_all(connection, head("416 Range Not Satisfiable", 0));
    }
    const std::string size = std::to_string(file.content.size());
    status = "206 Partial Content";
    more = "Content-Range: bytes " + std::to_string(from) + "-" +
           std::to_string(file.content.size() - 1) + "/" + size + "\r\n";
  }
  std::string_view body = std::string_view(file.content).substr(from);
  send_all(connection, head(status, body.size(), more));
  if (const auto limit = std::exchange(file.break_after, 0)) {
    body = body.substr(0, static_cast<size_t>(limit));
  }
  send_all(connection, body);
}

uint16_t closed_port() {
  uint16_t port = 0;
  ::close(listen_on_loopback(port));
  return port;
}

}  // namespace flatenn::data::testing
