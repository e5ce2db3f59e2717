#include "store/database.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "flatenn/base/error.h"
#include "store/network_file.h"

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

/// A failed write that SQLite calls an I/O error: of the "-shm" file on a full disk, for instance.
bool is_out_of_space(sqlite3* handle, const std::filesystem::path& path) {
  const int error = handle != nullptr ? sqlite3_system_errno(handle) : 0;
  if (error == ENOSPC || error == EDQUOT) return true;
  struct statvfs volume {};
  const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
  return ::statvfs(folder.c_str(), &volume) == 0 && volume.f_bavail == 0;
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

std::filesystem::path log_of(const std::filesystem::path& path) { return path.string() + "-wal"; }

/// Whether the file's header says that it is written by way of a log (WAL).
bool has_log_mode(const std::filesystem::path& path) {
  constexpr std::streamoff kReadVersion = 19;
  std::ifstream file(path, std::ios::binary);
  file.seekg(kReadVersion);
  return file.get() == 2;
}

bool has_no_bytes(const std::filesystem::path& path) {
  std::error_code none;
  return std::filesystem::file_size(path, none) == 0;
}

/// Readers leave the empty files beside a database that SQLite makes for them; a writer that is the
/// last to close takes them away. Where that is not allowed they stay, and harm nothing. Beside a
/// damaged database SQLite leaves them, where nobody can have use for them.
void take_away_empty_log(const std::filesystem::path& path, bool had_log) {
  const std::filesystem::path log = log_of(path);
  if (!is_there(log) || !has_no_bytes(log) || !may_write(path)) return;
  sqlite3* writer = nullptr;
  int code = sqlite3_open_v2(path.c_str(), &writer, SQLITE_OPEN_READWRITE, nullptr);
  if (code == SQLITE_OK)
    code = sqlite3_exec(writer, "PRAGMA schema_version", nullptr, nullptr, nullptr);
  sqlite3_close(writer);
  const bool damaged = (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
  if (had_log || !damaged) return;
  std::error_code none;
  std::filesystem::remove(log, none);
  std::filesystem::remove(path.string() + "-shm", none);
}

}  // namespace

void check_openable(const std::filesystem::path& path, Store::Access access) {
  FLATENN_CHECK(!path.empty(), "the path of a result file is empty");
  std::error_code none;
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  FLATENN_CHECK(!std::filesystem::is_directory(status), path.string(), ": is a folder, not a file");
  FLATENN_CHECK(!std::filesystem::exists(status) || std::filesystem::is_regular_file(status),
                path.string(), ": is not a regular file");
  FLATENN_CHECK(error != std::errc::too_many_symbolic_link_levels, path.string(), ": ",
                error.message());
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

Database::Database(std::filesystem::path path, Store::Access access, int busy_timeout_ms)
    : path_(std::move(path)), access_(access), busy_timeout_ms_(busy_timeout_ms) {
  check_openable(path_, access_);
  had_log_ = is_there(log_of(path_));
  try {
    connect(false);
    pragma("schema_version");  // the first read: SQLite opens lazily
  } catch (const Error&) {
    // A finished file in a read-only folder cannot get the files that WAL reading wants beside it.
    const std::filesystem::path wal = log_of(path_);
    const bool settled = !is_there(wal) || has_no_bytes(wal);
    const bool not_writable = handle_ != nullptr && (sqlite3_errcode(handle_) == SQLITE_CANTOPEN ||
                                                     sqlite3_errcode(handle_) == SQLITE_READONLY);
    close();
    if (access_ == Store::Access::kRead) take_away_empty_log(path_, had_log_);
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

Database::~Database() {
  close();
  if (access_ == Store::Access::kRead) take_away_empty_log(path_, had_log_);
}

bool Database::is_on_network() const {
  return access_ == Store::Access::kWrite && network_file_system(path_).has_value();
}

void Database::connect(bool immutable) {
  const int flags = SQLITE_OPEN_URI | SQLITE_OPEN_FULLMUTEX |
                    (access_ == Store::Access::kRead ? SQLITE_OPEN_READONLY
                                                     : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  const int code = sqlite3_open_v2(file_uri(path_, immutable).c_str(), &handle_, flags, nullptr);
  if (code != SQLITE_OK) fail(code, "open");
  sqlite3_busy_timeout(handle_, busy_timeout_ms_);
  // Taking the log off a file asks for shared memory, which is not there, unless nobody else may
  // look meanwhile.
  if (is_on_network() && has_log_mode(path_)) execute("PRAGMA locking_mode = EXCLUSIVE");
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

sqlite3_stmt* Database::prepare(const std::string& sql) const {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(handle_, sql.c_str(), -1, &statement, nullptr);
  if (code != SQLITE_OK) fail(code, sql);
  return statement;
}

void Database::execute(const std::string& sql) const {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code, sql);
}

int64_t Database::pragma(const std::string& name) const {
  const std::string sql = "PRAGMA " + name;
  sqlite3_stmt* const statement = prepare(sql);
  const int stepped = sqlite3_step(statement);
  const int64_t value = stepped == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
  sqlite3_finalize(statement);
  if (stepped != SQLITE_ROW && stepped != SQLITE_DONE) fail(stepped, sql);
  return value;
}

void Database::back_up(const std::filesystem::path& copy) const {
  constexpr int kAllPages = -1;
  FLATENN_CHECK(!is_there(copy), copy.string(), ": is there already");
  const Database target(copy, Store::Access::kWrite);
  sqlite3_backup* const backup = sqlite3_backup_init(target.handle_, "main", handle_, "main");
  if (backup == nullptr) target.fail(sqlite3_errcode(target.handle_), "backup");
  sqlite3_backup_step(backup, kAllPages);
  const int code = sqlite3_backup_finish(backup);
  if (code != SQLITE_OK) target.fail(code, "backup");
  target.execute("PRAGMA journal_mode = DELETE");  // one file, with nothing beside it
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
  const bool full = (code & 0xff) == SQLITE_IOERR && is_out_of_space(handle_, path_);
  const char* const words = plain_words(full ? SQLITE_FULL : code);
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
