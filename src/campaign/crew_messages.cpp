#include "campaign/crew_messages.h"

#include <cstring>
#include <type_traits>

#include "flatenn/base/error.h"

namespace flatenn::campaign {
namespace {

template <typename T>
void put(std::string& bytes, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// Reads what put() wrote, in order.
class Reader {
 public:
  explicit Reader(const std::string& bytes) : bytes_(bytes) {}
  template <typename T>
  T get() {
    FLATENN_CHECK(bytes_.size() - at_ >= sizeof(T), "crew: a message is cut short");
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  template <typename T>
  std::vector<T> rest() {
    FLATENN_CHECK((bytes_.size() - at_) % sizeof(T) == 0, "crew: a message is cut short");
    std::vector<T> values((bytes_.size() - at_) / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), bytes_.data() + at_, bytes_.size() - at_);
    return values;
  }

 private:
  const std::string& bytes_;
  size_t at_ = 1;  // after the kind
};

}  // namespace

MessageKind kind_of(const std::string& message) {
  FLATENN_CHECK(!message.empty(), "crew: an empty message");
  return static_cast<MessageKind>(message.front());
}

std::string simple_message(MessageKind kind) { return std::string(1, static_cast<char>(kind)); }

std::string json_message(MessageKind kind, const nlohmann::json& content) {
  return simple_message(kind) +
         content.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

nlohmann::json read_json(const std::string& message) {
  nlohmann::json content =
      nlohmann::json::parse(message.begin() + 1, message.end(), nullptr, false);
  FLATENN_CHECK(!content.is_discarded(), "crew: a message is damaged");
  return content;
}

std::string batch_message(int64_t batch, const std::vector<store::TrialKey>& keys) {
  std::string bytes = simple_message(MessageKind::kBatch);
  put(bytes, batch);
  for (const store::TrialKey& key : keys) put(bytes, key);
  return bytes;
}

BatchMessage read_batch(const std::string& message) {
  Reader reader(message);
  const auto batch = reader.get<int64_t>();
  return {.batch = batch, .keys = reader.rest<store::TrialKey>()};
}

std::string rows_message(const RowsMessage& message) {
  std::string bytes = simple_message(MessageKind::kRows);
  put(bytes, message.batch);
  put(bytes, message.seconds);
  put(bytes, message.verified);
  for (const store::TrialRow& row : message.rows) put(bytes, row);
  return bytes;
}

RowsMessage read_rows(const std::string& message) {
  Reader reader(message);
  RowsMessage rows;
  rows.batch = reader.get<int64_t>();
  rows.seconds = reader.get<double>();
  rows.verified = reader.get<int64_t>();
  rows.rows = reader.rest<store::TrialRow>();
  return rows;
}

}  // namespace flatenn::campaign
