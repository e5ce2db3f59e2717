#include <algorithm>
#include <nlohmann/json.hpp>

#include "flatenn/base/error.h"
#include "flatenn/campaign/plan.h"

namespace flatenn::campaign {
namespace {

using nlohmann::json;

std::string shown(const json* value) { return value == nullptr ? "nothing" : value->dump(); }

const json* child(const json& parent, const std::string& key) {
  const auto found = parent.find(key);
  return found == parent.end() ? nullptr : &*found;
}

std::string difference_at(const std::string& path, const json* stored, const json* now);

std::string object_difference(const std::string& path, const json& stored, const json& now) {
  json keys = stored;
  keys.update(now);
  std::string different_hash;  // told only where nothing that a person reads differs
  for (const auto& item : keys.items()) {
    const std::string place = path.empty() ? item.key() : path + "." + item.key();
    std::string found = difference_at(place, child(stored, item.key()), child(now, item.key()));
    if (!found.empty() && item.key() != "hash") return found;
    different_hash += found;
  }
  return different_hash;
}

std::string array_difference(const std::string& path, const json& stored, const json& now) {
  for (size_t i = 0; i < std::max(stored.size(), now.size()); ++i) {
    std::string found =
        difference_at(detail::concat(path, "[", i, "]"), i < stored.size() ? &stored[i] : nullptr,
                      i < now.size() ? &now[i] : nullptr);
    if (!found.empty()) return found;
  }
  return "";
}

std::string difference_at(const std::string& path, const json* stored, const json* now) {
  if (stored != nullptr && now != nullptr) {
    if (*stored == *now) return "";
    if (stored->is_object() && now->is_object()) return object_difference(path, *stored, *now);
    if (stored->is_array() && now->is_array()) return array_difference(path, *stored, *now);
  }
  return path + ": " + shown(stored) + " in the database, " + shown(now) + " now";
}

}  // namespace

std::string describe_difference(const json& stored, const json& now) {
  return difference_at("", &stored, &now);
}

}  // namespace flatenn::campaign
