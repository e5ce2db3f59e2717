#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace flatenn {

struct IntRange {
  int64_t min = INT64_MIN;  ///< Inclusive.
  int64_t max = INT64_MAX;  ///< Inclusive.
};

struct DoubleRange {
  double min;  ///< Inclusive.
  double max;  ///< Inclusive.
};

/// A TOML file read key by key, with defaults and ranges stated where a key is read.
///
/// Keys are dotted paths ("quant.weight_bits"). Every getter records its key as a valid one and the
/// value that was used; check_all_read() then refuses keys of the file that nobody asked for, with
/// file, line and the nearest valid key. All errors are flatenn::Error and start with "file:line:".
///
///     Config config = Config::from_file("lenet5.toml");
///     config.set("train.epochs=3");
///     const int64_t epochs = config.get_int("train.epochs", 15, {.min = 1});
///     config.check_all_read();
class Config {
 public:
  static Config from_file(const std::filesystem::path& path);
  /// `name` stands for the file in messages.
  static Config from_string(const std::string& toml, const std::string& name);

  Config(Config&&) noexcept;
  Config& operator=(Config&&) noexcept;
  ~Config();

  /// Applies "key=value" as from a command line; the value is TOML, or a bare string where it is
  /// not.
  void set(const std::string& assignment);

  /// Forgets a top-level key of the file, where it is there.
  void remove(const std::string& key);

  bool has(const std::string& key) const;
  int64_t get_int(const std::string& key, int64_t fallback, IntRange range = {});
  double get_double(const std::string& key, double fallback, std::optional<DoubleRange> range = {});
  bool get_bool(const std::string& key, bool fallback);
  std::string get_string(const std::string& key, const std::string& fallback);
  /// One of `choices`, else an error that lists them.
  std::string get_choice(const std::string& key, const std::string& fallback,
                         const std::vector<std::string>& choices);
  /// A scalar in the file counts as a list of one.
  std::vector<double> get_doubles(const std::string& key, std::vector<double> fallback,
                                  std::optional<DoubleRange> range = {});
  std::vector<int64_t> get_ints(const std::string& key, std::vector<int64_t> fallback,
                                IntRange range = {});
  std::vector<std::string> get_strings(const std::string& key, std::vector<std::string> fallback);

  /// Names directly below a table, in file order: {"conv1", "fc3"} for [layers.conv1] and
  /// [layers.fc3] under "layers". For an array of tables ([[faults]]) the names are "0", "1", ...,
  /// and "faults.0.kind" reads from its first table.
  std::vector<std::string> child_names(const std::string& table) const;

  void check_all_read() const;
  /// The same for keys below these tables alone, where a command reads a part of a file.
  void check_all_read(const std::vector<std::string>& tables) const;

  /// An Error about this key: "file:line: key: message"; without line where the key is not in the
  /// file.
  [[noreturn]] void fail(const std::string& key, const std::string& message) const;

  /// Every key that was asked for with the value used, nested by table.
  nlohmann::json resolved() const;
  const std::string& name() const;  ///< File name as in messages.

 private:
  struct Impl;
  explicit Config(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The candidate with the smallest edit distance, where that is small enough to be a slip.
std::optional<std::string> nearest_name(const std::string& name,
                                        const std::vector<std::string>& candidates);

}  // namespace flatenn
