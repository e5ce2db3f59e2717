#include "flatenn/base/config.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/number.h"
#include "flatenn/base/printable.h"

namespace flatenn {

struct Config::Impl {
  std::string name;
  std::set<std::string> set;  ///< Keys that came after the file was read: it is not to blame.
  std::string place_of(const std::string& key, const toml::node* node) const;
  toml::table root;
  std::map<std::string, nlohmann::json> used;  ///< Keys asked for, with the value given back.
};

namespace {

std::vector<std::string> split(const std::string& key) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.', start)) {
    parts.push_back(key.substr(start, dot - start));
    start = dot + 1;
  }
  parts.push_back(key.substr(start));
  return parts;
}

bool is_index(const std::string& part) {
  return !part.empty() && part.size() < 7 && std::all_of(part.begin(), part.end(), ::isdigit);
}

const toml::node* find(const toml::table& root, const std::string& key) {
  const toml::node* node = &root;
  for (const std::string& part : split(key)) {
    if (const auto* table = node->as_table()) {
      node = table->get(part);
    } else if (const auto* array = node->as_array(); array != nullptr && is_index(part)) {
      node = array->get(std::stoul(part));
    } else {
      return nullptr;
    }
    if (node == nullptr) return nullptr;
  }
  return node;
}

std::string type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "a boolean";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::table:
      return "a table";
    default:
      return "a date or time";
  }
}

std::optional<int64_t> as_int(const toml::node& node) {
  if (const auto* value = node.as_integer()) return value->get();
  return std::nullopt;
}

std::optional<double> as_double(const toml::node& node) {
  if (const auto* value = node.as_floating_point()) return value->get();
  if (const auto* value = node.as_integer()) return static_cast<double>(value->get());
  return std::nullopt;
}

std::optional<bool> as_bool(const toml::node& node) {
  if (const auto* value = node.as_boolean()) return value->get();
  return std::nullopt;
}

std::optional<std::string> as_string(const toml::node& node) {
  if (const auto* value = node.as_string()) return value->get();
  return std::nullopt;
}

std::string with_line(const std::string& name, const toml::node* node) {
  const auto line = node != nullptr ? node->source().begin.line : 0;
  return line > 0 ? detail::concat(name, ":", line) : name;
}

/// Every leaf key below `node`; the elements of a plain array belong to the array's key.
void collect_leaves(const toml::node& node, const std::string& prefix,
                    std::vector<std::pair<std::string, const toml::node*>>& leaves) {
  const auto join = [&](const std::string& part) {
    return prefix.empty() ? part : prefix + "." + part;
  };
  if (const auto* table = node.as_table(); table != nullptr) {
    for (const auto& [key, child] : *table)
      collect_leaves(child, join(std::string(key.str())), leaves);
  } else if (const auto* array = node.as_array(); array != nullptr && array->is_array_of_tables()) {
    for (size_t i = 0; i < array->size(); ++i)
      collect_leaves(*array->get(i), join(std::to_string(i)), leaves);
  } else {
    leaves.emplace_back(prefix, &node);
  }
}

/// What stands in a place of the text; TOML counts columns in characters.
std::string_view text_at(std::string_view text, const toml::source_region& place) {
  const auto is_start = [](char byte) { return (byte & 0xc0) != 0x80; };  // of a UTF-8 character
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // a byte order mark has no column
  for (auto line = place.begin.line; line > 1; --line) text.remove_prefix(text.find('\n') + 1);
  const auto byte_of = [&](toml::source_index column) {
    size_t byte = 0;
    for (; byte < text.size(); ++byte) {
      if (is_start(text[byte]) && --column == 0) break;
    }
    return byte;
  };
  const size_t begin = byte_of(place.begin.column);
  return text.substr(begin, byte_of(place.end.column) - begin);
}

/// No name or path holds a byte 0; the system would take what stands before it.
bool has_nul(const std::string& text) { return text.find('\0') != std::string::npos; }

/// A number that is written as something else than 0 and only reads as 0.
struct Vanished {
  const toml::node* node = nullptr;
  std::string written;
};

std::optional<Vanished> find_vanished(const toml::node& node, std::string_view text) {
  std::optional<Vanished> found;
  if (const auto* table = node.as_table()) {
    for (const auto& [key, child] : *table) {
      if (!found) found = find_vanished(child, text);
    }
  } else if (const auto* array = node.as_array()) {
    for (const toml::node& child : *array) {
      if (!found) found = find_vanished(child, text);
    }
  } else if (const auto* number = node.as_floating_point(); number != nullptr && *number == 0.0) {
    const std::string written(text_at(text, node.source()));
    if (reads_as_zero(written)) found = Vanished{&node, written};
  }
  return found;
}

[[noreturn]] void fail_vanished(const std::string& place, const std::string& written) {
  throw Error(place + ": " + written + " is too small for a number; write 0 where 0 is meant");
}

toml::table parse(const std::string& text, const std::string& name) {
  try {
    toml::table table = toml::parse(text, name);
    if (const auto found = find_vanished(table, text)) {
      fail_vanished(with_line(name, found->node), found->written);
    }
    return table;
  } catch (const toml::parse_error& error) {
    throw Error(detail::concat(name, ":", error.source().begin.line,
                               ": not valid TOML: ", error.description()));
  }
}

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

namespace {

/// "optimizer.learning_rate" -> "optimizer.lr".
std::string initials_of(const std::string& key) {
  const size_t dot = key.rfind('.');
  const size_t begin = dot == std::string::npos ? 0 : dot + 1;
  std::string out = key.substr(0, begin);
  for (size_t i = begin; i < key.size(); ++i) {
    if (i == begin || key[i - 1] == '_' || key[i - 1] == '-') out += key[i];
  }
  return out;
}

bool is_abbreviation(const std::string& name, const std::string& candidate) {
  if (name.size() >= candidate.size()) return false;
  const size_t dot = name.rfind('.');
  const size_t letters = name.size() - (dot == std::string::npos ? 0 : dot + 1);
  return (letters > 1 && initials_of(candidate) == name) ||
         (letters > 2 && candidate.starts_with(name));
}

}  // namespace

std::optional<std::string> nearest_name(const std::string& name,
                                        const std::vector<std::string>& candidates) {
  for (const std::string& candidate : candidates) {
    if (is_abbreviation(name, candidate)) return candidate;
  }
  std::optional<std::string> best;
  size_t best_distance = std::max<size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string Config::Impl::place_of(const std::string& key, const toml::node* node) const {
  return set.contains(key) ? "command line" : with_line(name, node);
}

Config::Config(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Config::Config(Config&&) noexcept = default;
Config& Config::operator=(Config&&) noexcept = default;
Config::~Config() = default;

Config Config::from_file(const std::filesystem::path& path) {
  return from_string(read_file(path), path.string());
}

Config Config::from_string(const std::string& toml, const std::string& name) {
  auto impl = std::make_unique<Impl>();
  impl->name = name;
  impl->root = parse(toml, name);
  return Config(std::move(impl));
}

void Config::set(const std::string& assignment) {
  const size_t equals = assignment.find('=');
  FLATENN_CHECK(equals != std::string::npos && equals > 0, "--set: expected key=value, got '",
                assignment, "'");
  const std::string key = assignment.substr(0, equals);
  const std::string value = assignment.substr(equals + 1);
  toml::table parsed;
  const std::string text = "value = " + value;
  try {
    parsed = toml::parse(text);
    if (const auto found = find_vanished(parsed, text)) {
      fail_vanished(impl_->name + ": " + key, found->written);
    }
  } catch (const toml::parse_error&) {
    parsed.insert("value", value);
  }
  const std::vector<std::string> parts = split(key);
  toml::table* table = &impl_->root;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    toml::node* child = table->get(parts[i]);
    if (child == nullptr) child = &table->insert(parts[i], toml::table{}).first->second;
    FLATENN_CHECK(child->is_table(), "--set ", key, ": '", parts[i], "' is not a table in ",
                  impl_->name);
    table = child->as_table();
  }
  table->insert_or_assign(parts.back(), *parsed.get("value"));
  impl_->set.insert(key);
}

void Config::remove(const std::string& key) { impl_->root.erase(key); }

bool Config::has(const std::string& key) const { return find(impl_->root, key) != nullptr; }

void Config::fail(const std::string& key, const std::string& message) const {
  throw Error(
      detail::concat(impl_->place_of(key, find(impl_->root, key)), ": ", key, ": ", message));
}

int64_t Config::get_int(const std::string& key, int64_t fallback, IntRange range) {
  return get_ints(key, {fallback}, range).at(0);
}

std::vector<int64_t> Config::get_ints(const std::string& key, std::vector<int64_t> fallback,
                                      IntRange range) {
  std::vector<int64_t> values = std::move(fallback);
  if (const toml::node* node = find(impl_->root, key)) {
    values.clear();
    const auto add = [&](const toml::node& element) {
      const auto value = as_int(element);
      if (!value) fail(key, "expected an integer, got " + type_name(element));
      if (*value < range.min || *value > range.max) {
        fail(key,
             range.max == INT64_MAX
                 ? detail::concat("must be at least ", range.min, ", got ", *value)
                 : detail::concat("must be in [", range.min, ", ", range.max, "], got ", *value));
      }
      values.push_back(*value);
    };
    if (const auto* array = node->as_array()) {
      for (const toml::node& element : *array) add(element);
      if (values.empty()) fail(key, "must not be empty");
    } else {
      add(*node);
    }
  }
  impl_->used[key] = values.size() == 1 ? nlohmann::json(values[0]) : nlohmann::json(values);
  return values;
}

double Config::get_double(const std::string& key, double fallback,
                          std::optional<DoubleRange> range) {
  return get_doubles(key, {fallback}, range).at(0);
}

std::vector<double> Config::get_doubles(const std::string& key, std::vector<double> fallback,
                                        std::optional<DoubleRange> range) {
  std::vector<double> values = std::move(fallback);
  if (const toml::node* node = find(impl_->root, key)) {
    values.clear();
    const auto add = [&](const toml::node& element) {
      const auto value = as_double(element);
      if (!value) fail(key, "expected a number, got " + type_name(element));
      if (!std::isfinite(*value)) fail(key, "must be finite");
      if (range && !(*value >= range->min && *value <= range->max)) {
        fail(key, detail::concat("must be in [", number_text(range->min), ", ",
                                 number_text(range->max), "], got ", number_text(*value)));
      }
      values.push_back(*value);
    };
    if (const auto* array = node->as_array()) {
      for (const toml::node& element : *array) add(element);
      if (values.empty()) fail(key, "must not be empty");
    } else {
      add(*node);
    }
  }
  impl_->used[key] = values.size() == 1 ? nlohmann::json(values[0]) : nlohmann::json(values);
  return values;
}

bool Config::get_bool(const std::string& key, bool fallback) {
  bool value = fallback;
  if (const toml::node* node = find(impl_->root, key)) {
    const auto found = as_bool(*node);
    if (!found) fail(key, "expected true or false, got " + type_name(*node));
    value = *found;
  }
  impl_->used[key] = value;
  return value;
}

std::string Config::get_string(const std::string& key, const std::string& fallback) {
  std::string value = fallback;
  if (const toml::node* node = find(impl_->root, key)) {
    const auto found = as_string(*node);
    if (!found) fail(key, "expected a string, got " + type_name(*node));
    if (has_nul(*found)) fail(key, "holds a NUL character: '" + printable(*found) + "'");
    value = *found;
  }
  impl_->used[key] = value;
  return value;
}

std::string Config::get_choice(const std::string& key, const std::string& fallback,
                               const std::vector<std::string>& choices) {
  const std::string value = get_string(key, fallback);
  if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
    std::string list;
    for (const std::string& choice : choices) list += (list.empty() ? "" : ", ") + choice;
    fail(key, "must be one of " + list + ", got '" + value + "'");
  }
  return value;
}

std::vector<std::string> Config::get_strings(const std::string& key,
                                             std::vector<std::string> fallback) {
  std::vector<std::string> values = std::move(fallback);
  if (const toml::node* node = find(impl_->root, key)) {
    values.clear();
    const auto add = [&](const toml::node& element) {
      const auto value = as_string(element);
      if (!value) fail(key, "expected a string, got " + type_name(element));
      if (has_nul(*value)) fail(key, "holds a NUL character: '" + printable(*value) + "'");
      values.push_back(*value);
    };
    if (const auto* array = node->as_array()) {
      for (const toml::node& element : *array) add(element);
    } else {
      add(*node);
    }
  }
  impl_->used[key] = values;
  return values;
}

std::vector<std::string> Config::child_names(const std::string& table) const {
  std::vector<std::pair<toml::source_position, std::string>> found;
  const toml::node* node = find(impl_->root, table);
  if (node == nullptr) return {};
  std::vector<std::string> names;
  if (const auto* array = node->as_array()) {
    for (size_t i = 0; i < array->size(); ++i) names.push_back(std::to_string(i));
    return names;
  }
  if (!node->is_table()) fail(table, "expected a table, got " + type_name(*node));
  for (const auto& [key, child] : *node->as_table())
    found.emplace_back(key.source().begin, key.str());
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& entry : found) names.push_back(entry.second);
  return names;
}

void Config::check_all_read() const {
  std::vector<std::string> tables;
  for (const auto& [key, node] : impl_->root) tables.emplace_back(key.str());
  check_all_read(tables);
}

void Config::check_all_read(const std::vector<std::string>& tables) const {
  std::vector<std::pair<std::string, const toml::node*>> leaves;
  for (const std::string& table : tables) {
    if (const toml::node* node = impl_->root.get(table)) collect_leaves(*node, table, leaves);
  }
  std::vector<std::string> valid;
  for (const auto& entry : impl_->used) valid.push_back(entry.first);
  for (const auto& [key, node] : leaves) {
    if (impl_->used.contains(key)) continue;
    const auto nearest = nearest_name(key, valid);
    throw Error(detail::concat(impl_->place_of(key, node), ": unknown key '", key, "'",
                               nearest ? "; did you mean '" + *nearest + "'?" : ""));
  }
}

nlohmann::json Config::resolved() const {
  nlohmann::json tree = nlohmann::json::object();
  for (const auto& [key, value] : impl_->used) {
    nlohmann::json* node = &tree;
    for (const std::string& part : split(key)) node = &(*node)[part];
    *node = value;
  }
  return tree;
}

const std::string& Config::name() const { return impl_->name; }

}  // namespace flatenn
