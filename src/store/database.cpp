#include "store/database.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "flatenn/base/error.h"

namespace flatenn::store {
namespace {

/// A path as SQLite's URI form, which alone can ask for an immutable file.
std::string file_uri(const std::filesystem::path& path, bool immutable) {
  std::string uri = "file:";
  for (const char c : std::filesystem::absolute(path).string()) {
    if (c == '?') {
      uri += "%3f";
    } else if (c == '#') {
      uri += "%23";
    } else if (c == '%') {
      uri += "%25";
    } else {
      uri += c;
    }
  }
  return immutable ? uri + "?immutable=1" : uri;
}

/// What a user can do about a failure, or null where SQLite's own words are all there is.
const char* plain_words(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "is locked by another process";
    case SQLITE_READONLY:
      return "is read-only (file or folder)";
    case SQLITE_FULL:
      return "disk full; trials finished before are kept";
    case SQLITE_NOTADB:
      return "is not a database";
    case SQLITE_CORRUPT:
      return "is a damaged database";
    case SQLITE_CANTOPEN:
      return "cannot be opened";
    default:
      return nullptr;
  }
}

/// False also where the folder may not be looked into.
bool is_there(const std::filesystem::path& path) {
  std::error_code none;
  return std::filesystem::exists(path, none);
}

bool may_write(const std::filesystem::path& path) {
  return ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0;
}

void check_openable(const std::filesystem::path& path, Store::Access access) {
  std::error_code none;
  FLATENN_CHECK(!std::filesystem::is_directory(path, none), path.string(),
                ": is a folder, not a file");
  if (access == Store::Access::kRead) {
    FLATENN_CHECK(is_there(path), path.string(), ": there is no such file");
    return;
  }
  const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
  FLATENN_CHECK(std::filesystem::is_directory(folder, none), path.string(), ": there is no folder ",
                folder.string());
  const bool fresh = !is_there(path);
  FLATENN_CHECK(fresh || may_write(path), path.string(), ": is read-only");
  FLATENN_CHECK(may_write(folder), path.string(), ": is in a read-only folder, ", folder.string());
}

}  // namespace

Database::Database(std::filesystem::path path, Store::Access access, int busy_timeout_ms)
    : path_(std::move(path)), access_(access), busy_timeout_ms_(busy_timeout_ms) {
  check_openable(path_, access_);
  try {
    connect(false);
    pragma("schema_version");  // the first read: SQLite opens lazily
  } catch (const Error&) {
    // A finished file in a read-only folder cannot get the files that WAL reading wants beside it.
    const std::filesystem::path wal = path_.string() + "-wal";
    const bool settled = !is_there(wal) || std::filesystem::file_size(wal) == 0;
    const bool not_writable = handle_ != nullptr && (sqlite3_errcode(handle_) == SQLITE_CANTOPEN ||
                                                     sqlite3_errcode(handle_) == SQLITE_READONLY);
    close();
    if (access_ != Store::Access::kRead || !settled || !not_writable) throw;
    connect(true);
  } catch (...) {
    close();
    throw;
  }
  struct stat status {};
  if (::stat(path_.c_str(), &status) == 0) {
    device_ = status.st_dev;
    inode_ = status.st_ino;
  }
}

Database::~Database() { close(); }

void Database::connect(bool immutable) {
  const int flags = SQLITE_OPEN_URI | SQLITE_OPEN_FULLMUTEX |
                    (access_ == Store::Access::kRead ? SQLITE_OPEN_READONLY
                                                     : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  const int code = sqlite3_open_v2(file_uri(path_, immutable).c_str(), &handle_, flags, nullptr);
  if (code != SQLITE_OK) fail(code, "open");
  sqlite3_busy_timeout(handle_, busy_timeout_ms_);
  execute("PRAGMA foreign_keys = ON");
}

void Database::close() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  statements_.clear();
  sqlite3_close(handle_);
  handle_ = nullptr;
}

Query Database::query(const char* sql) const {
  sqlite3_stmt*& statement = statements_[sql];
  if (statement == nullptr) {
    const int code =
        sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) fail(code, sql);
  }
  return {*this, statement};
}

void Database::execute(const std::string& sql) const {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code, sql);
}

int64_t Database::pragma(const std::string& name) const {
  const std::string sql = "PRAGMA " + name;
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(handle_, sql.c_str(), -1, &statement, nullptr);
  if (code != SQLITE_OK) fail(code, sql);
  const int stepped = sqlite3_step(statement);
  const int64_t value = stepped == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
  sqlite3_finalize(statement);
  if (stepped != SQLITE_ROW && stepped != SQLITE_DONE) fail(stepped, sql);
  return value;
}

int64_t Database::changes() const { return sqlite3_changes64(handle_); }

int64_t Database::last_insert_id() const { return sqlite3_last_insert_rowid(handle_); }

bool Database::is_busy() const { return (sqlite3_errcode(handle_) & 0xff) == SQLITE_BUSY; }

void Database::check_same_file() const {
  struct stat status {};
  FLATENN_CHECK(::stat(path_.c_str(), &status) == 0, path_.string(),
                ": was removed while in use: ", std::strerror(errno));
  FLATENN_CHECK(status.st_dev == device_ && status.st_ino == inode_, path_.string(),
                ": was replaced by another file while in use");
}

void Database::fail(int code, std::string_view statement) const {
  const char* const words = plain_words(code);
  const std::string system = handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
  if (words != nullptr)
    throw Error(detail::concat(path_.string(), ": ", words, " (SQLite: ", system, ")"));
  throw Error(detail::concat(path_.string(), ": SQLite: ", system, " in: ", statement));
}

Transaction::Transaction(const Database& database) : database_(database) {
  database_.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.execute("ROLLBACK");
  } catch (const Error&) {
    // SQLite has rolled back by itself (disk full, I/O error): nothing is left to undo.
  }
}

void Transaction::commit() {
  database_.execute("COMMIT");
  open_ = false;
}

Durable::Durable(const Database& database) : database_(database) {
  database_.execute("PRAGMA synchronous = FULL");
}

Durable::~Durable() {
  try {
    database_.execute("PRAGMA synchronous = NORMAL");
  } catch (const Error&) {  // commits stay durable, which is slower and no less right
  }
}

}  // namespace flatenn::store
