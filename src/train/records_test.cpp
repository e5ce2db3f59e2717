#include "flatenn/train/records.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "base/temporary_folder.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"

namespace flatenn::train {
namespace {

class Records : public testing::Test {
 protected:
  TemporaryFolder folder_;
};

std::vector<nlohmann::json> lines_of(const std::filesystem::path& path) {
  std::istringstream text(read_file(path));
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

TEST_F(Records, EveryMetricsLineIsJsonWithTheDocumentedKeys) {
  MetricsLog log(folder_ / "metrics.jsonl", 0);
  log.append({.epoch = 1, .train_loss = 0.5, .code_rms = {{"conv1", 3.5}, {"fc3", 2.5}}});
  const auto lines = lines_of(folder_ / "metrics.jsonl");
  ASSERT_EQ(lines.size(), 1U);
  for (const char* key : {"epoch", "learning_rate", "train_loss", "train_accuracy", "test_loss",
                          "test_accuracy", "sparsity", "sparsity_strength", "images_per_second",
                          "seconds", "code_rms", "weight_scale", "grad_norm"}) {
    EXPECT_TRUE(lines[0].contains(key)) << key;
  }
  EXPECT_EQ(lines[0]["code_rms"]["fc3"], 2.5);
}

TEST_F(Records, AResumeKeepsTheEpochsItStandsOnAndNoLaterOnes) {
  const auto path = folder_ / "metrics.jsonl";
  MetricsLog first(path, 0);
  for (int64_t epoch = 1; epoch <= 4; ++epoch) first.append({.epoch = epoch});
  MetricsLog resumed(path, 2);
  resumed.append({.epoch = 3, .train_loss = 7});
  const auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[1]["epoch"], 2);
  EXPECT_EQ(lines[2]["train_loss"], 7);
}

TEST_F(Records, AFullOrMissingFolderIsAnErrorThatNamesTheFile) {
  MetricsLog log(folder_ / "metrics.jsonl", 0);
  remove_folder(folder_.path());
  try {
    log.append({.epoch = 1});
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("metrics.jsonl"), std::string::npos);
  }
}

TEST_F(Records, RunRecordHoldsConfigStatusAndResult) {
  RunRecord record{.name = "a", .seed = 4, .started = utc_now()};
  record.status = RunStatus::kFinished;
  record.result = RunResult{.accuracy = 0.9, .layer_sparsity = {{"fc1", 0.5}}};
  write_run_record(folder_ / "run.json", record, {{"train", {{"epochs", 15}}}});
  const auto json = nlohmann::json::parse(read_file(folder_ / "run.json"));
  EXPECT_EQ(json["status"], "finished");
  EXPECT_EQ(json["config"]["train"]["epochs"], 15);
  EXPECT_EQ(json["result"]["layer_sparsity"]["fc1"], 0.5);
  EXPECT_TRUE(json["finished"].is_null());
}

}  // namespace
}  // namespace flatenn::train
