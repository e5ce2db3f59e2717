#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flatenn/store/store.h"

namespace flatenn::store {

/// A prepared statement in use: bound, stepped, and reset when it goes out of scope.
class Query {
 public:
  Query(const Database& database, sqlite3_stmt* statement);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& bind(int64_t value);
  Query& bind(double value);
  Query& bind(const std::string& value);
  Query& bind(std::span<const uint8_t> blob);
  template <typename... Values>
  Query& bind_all(const Values&... values) {
    (bind(values), ...);
    return *this;
  }

  bool next();  ///< Whether there is another row.
  void run();   ///< For statements without rows.

  /// The row's columns from left to right; each call takes the next one.
  int64_t integer();
  double real();
  std::string text();
  std::vector<uint8_t> blob();

 private:
  const Database& database_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
  int column_ = 0;
};

/// Throws Error where a path cannot be a result file. SQLite would wait for ever for what a pipe
/// says.
void check_openable(const std::filesystem::path& path, Store::Access access);

/// A connection. Failures are Errors of one line that starts with the file's path.
class Database {
 public:
  static constexpr int kBusyTimeoutMs = 10'000;

  Database(std::filesystem::path path, Store::Access access, int busy_timeout_ms = kBusyTimeoutMs);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// `sql` is prepared once a connection and must stay valid (a literal).
  Query query(const char* sql) const;
  /// Of any text; whoever asks for it finalizes it, before the connection ends.
  sqlite3_stmt* prepare(const std::string& sql) const;
  void execute(const std::string& sql) const;  ///< One or more statements without parameters.
  int64_t pragma(const std::string& name) const;
  void back_up(const std::filesystem::path& copy) const;  ///< Into a new file.
  int64_t changes() const;
  int64_t last_insert_id() const;
  bool is_busy() const;  ///< Whether the last failure was another connection's lock.

  /// Whether this writes to a file on a network file system.
  bool is_on_network() const;

  /// Throws Error where the file at path() is no longer the one that was opened.
  void check_same_file() const;

  const std::filesystem::path& path() const { return path_; }
  Store::Access access() const { return access_; }
  [[noreturn]] void fail(int code, std::string_view statement) const;

 private:
  void connect(bool immutable);
  void close();

  std::filesystem::path path_;
  Store::Access access_;
  int busy_timeout_ms_;
  sqlite3* handle_ = nullptr;
  bool had_log_ = false;  ///< There was one beside the file before it was opened here.
  uint64_t device_ = 0;
  uint64_t inode_ = 0;
  mutable std::map<const char*, sqlite3_stmt*> statements_;
};

/// A write transaction that is rolled back unless commit() is reached.
class Transaction {
 public:
  explicit Transaction(const Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  const Database& database_;
  bool open_ = true;
};

/// Commits within its life are on the disk when they return, and with them all before: they survive
/// a crash of the machine. Others survive one of the process. Not inside a transaction.
class Durable {
 public:
  explicit Durable(const Database& database);
  ~Durable();
  Durable(const Durable&) = delete;
  Durable& operator=(const Durable&) = delete;

 private:
  const Database& database_;
};

}  // namespace flatenn::store
