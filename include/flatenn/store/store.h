#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// The SQLite file (WAL) that holds models and data sets by content hash, plans and trials.
///
/// A finished trial is never lost and never doubled: a transaction writes a batch of trials, and
/// (plan, cell, trial) is unique. docs/formats.md shows the tables.
namespace flatenn::store {

struct DatasetRow {
  std::string hash;  ///< data::ImageSet::content_hash.
  std::string name;
  std::string split;  ///< "test"
  int64_t images = 0;
};

struct ModelRow {
  std::string hash;  ///< net::content_hash.
  int64_t weight_bits = 0;
};

/// The fault-free pass of a model over a data set.
struct GoldenRow {
  std::string model;    ///< Hash.
  std::string dataset;  ///< Hash.
  int64_t correct = 0;
  double loss = 0;  ///< Mean over the images.
  /// Class of each image: a byte, or two (low byte first) in networks of more than 256 classes.
  std::vector<uint8_t> predictions;
};

struct PlanModelRow {
  int64_t position = 0;
  std::string hash;
  std::string name;
  std::map<std::string, std::string> metadata;
};

struct PlanRow {
  int64_t id = 0;
  std::string name;  ///< Unique in the file.
  std::string fingerprint;
  std::string settings;  ///< JSON: what the fingerprint is made of.
  std::string layout;    ///< JSON: kinds, levels, strata and reporting options of the plan.
  std::string pilot;     ///< JSON, "" without a pilot.
  std::string version;
  std::string created;  ///< ISO 8601, UTC.
  std::string dataset;  ///< Hash.
};

/// Cell ids run over model x kind x level (or stratum) in that order.
struct CellRow {
  int64_t cell = 0;
  int64_t model = 0;  ///< Position of the plan's model.
  int64_t kind = 0;
  int64_t level = 0;  ///< Or the stratum, in single-fault campaigns.
};

/// One finished trial: a fault map and a pass over its images. Counts are images.
struct TrialRow {
  int64_t cell = 0;
  int64_t trial = 0;
  int64_t images = 0;
  int64_t correct = 0;
  int64_t golden_correct = 0;  ///< Of the golden pass on the same images.
  double loss = 0;             ///< Sum over the images.
  int64_t identical = 0;
  int64_t masked = 0;
  int64_t sdc1_right = 0;
  int64_t sdc1_wrong = 0;
  int64_t drawn = 0;
  int64_t landed = 0;
  bool operator==(const TrialRow&) const = default;
};

/// One process's work on a plan; provenance, never part of a result.
/// What is known of a run's process. kKilled: it ended on this machine without a word. kSilent: not
/// heard of for Worker::kLeaseSeconds; it was killed on another machine, or stands still.
enum class RunLife { kEnded, kRunning, kKilled, kSilent };

struct RunRow {
  int64_t plan = 0;
  std::string started;   ///< ISO 8601, UTC.
  std::string finished;  ///< "" while it runs, or where it was killed.
  std::string engine;
  int64_t threads = 0;
  std::string host;
  int64_t pid = 0;  ///< Of its process, on that host.
  std::string version;
  int64_t trials = 0;
  std::string end;       ///< "done", "interrupted", "time limit", "failed"; "" while it runs.
  double heartbeat = 0;  ///< When it was last heard of, in seconds since 1970.
  RunLife life = RunLife::kEnded;
};

class Database;
class OwnerMark;

class Store {
 public:
  enum class Access { kRead, kWrite };

  /// kWrite makes the file where there is none and migrates older schemas. Throws Error, one line
  /// starting with the path: not there, not a database, not flatenn's, another schema version,
  /// read-only, locked, disk full, or with contents that flatenn cannot have written. On a network
  /// file system (NFS, Lustre, ...) a file has no log beside it (WAL) and one writer at a time;
  /// another one is an Error.
  static Store open(const std::filesystem::path& path, Access access, int busy_timeout_ms = 10'000);
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  std::vector<PlanRow> plans() const;
  std::optional<PlanRow> find_plan(const std::string& name) const;
  std::vector<PlanModelRow> plan_models(int64_t plan) const;
  std::vector<CellRow> cells(int64_t plan) const;
  /// All finished trials of a cell, trial numbers rising.
  std::vector<TrialRow> trials(int64_t plan, int64_t cell) const;
  int64_t trial_count(int64_t plan) const;
  std::vector<RunRow> runs(int64_t plan) const;
  std::optional<DatasetRow> dataset(const std::string& hash) const;
  std::optional<ModelRow> model(const std::string& hash) const;
  std::optional<GoldenRow> golden(const std::string& model, const std::string& dataset) const;
  std::vector<GoldenRow> goldens(const std::string& dataset) const;  ///< Of all models.

  /// Trials that were stored after row `after` by anyone, and the last row's number. Costs time in
  /// proportion to what is new.
  struct News {
    std::vector<TrialRow> trials;
    int64_t last_row = 0;
  };
  News trials_after(int64_t plan, int64_t after) const;

  /// Adding what is there already changes nothing.
  void add_dataset(const DatasetRow& row);
  void add_model(const ModelRow& row);
  void add_golden(const GoldenRow& row);
  /// Stores a new plan with its models and cells in one transaction, and returns its id; where
  /// another process has stored this name meanwhile, the id of that plan.
  int64_t add_plan(const PlanRow& plan, const std::vector<PlanModelRow>& models,
                   const std::vector<CellRow>& cells);
  /// Replaces how a plan's results are told; its trials stay as they are.
  void set_layout(int64_t plan, const std::string& layout);

  /// Moves what is committed from the file's "-wal" into the file itself, as far as nobody reads an
  /// older state just now: a copy of the file alone then holds it.
  void settle() const;
  /// Writes all that is stored into a file of its own, whoever writes meanwhile (SQLite's backup).
  /// Throws Error where `copy` is there already.
  void save_copy(const std::filesystem::path& copy) const;

  const std::filesystem::path& path() const;
  Database& database() const;  ///< For the rest of src/store.

 private:
  Store(std::unique_ptr<OwnerMark> owner, std::unique_ptr<Database> database);
  std::unique_ptr<OwnerMark> owner_;  ///< Of a writer on a network file system; outlives the next.
  std::unique_ptr<Database> database_;
};

}  // namespace flatenn::store
