#include <string>

#include "store/database.h"

namespace flatenn::store {

Query::Query(const Database& database, sqlite3_stmt* statement)
    : database_(database), statement_(statement) {}

Query::~Query() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Query& Query::bind(int64_t value) {
  sqlite3_bind_int64(statement_, ++bound_, value);
  return *this;
}

Query& Query::bind(double value) {
  sqlite3_bind_double(statement_, ++bound_, value);
  return *this;
}

Query& Query::bind(const std::string& value) {
  sqlite3_bind_text64(statement_, ++bound_, value.data(), value.size(), SQLITE_TRANSIENT,
                      SQLITE_UTF8);
  return *this;
}

Query& Query::bind(std::span<const uint8_t> blob) {
  sqlite3_bind_blob64(statement_, ++bound_, blob.data(), blob.size(), SQLITE_TRANSIENT);
  return *this;
}

bool Query::next() {
  column_ = 0;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) database_.fail(code, sqlite3_sql(statement_));
  return false;
}

void Query::run() {
  while (next()) {
  }
}

int64_t Query::integer() { return sqlite3_column_int64(statement_, column_++); }

double Query::real() { return sqlite3_column_double(statement_, column_++); }

std::string Query::text() {
  const unsigned char* text = sqlite3_column_text(statement_, column_);
  const int size = sqlite3_column_bytes(statement_, column_++);
  return text == nullptr
             ? std::string()
             : std::string(reinterpret_cast<const char*>(text), static_cast<size_t>(size));
}

std::vector<uint8_t> Query::blob() {
  const auto* bytes = static_cast<const uint8_t*>(sqlite3_column_blob(statement_, column_));
  const int size = sqlite3_column_bytes(statement_, column_++);
  return bytes == nullptr ? std::vector<uint8_t>() : std::vector<uint8_t>(bytes, bytes + size);
}

}  // namespace flatenn::store
