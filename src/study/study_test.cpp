#include "flatenn/study/study.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <map>
#include <nlohmann/json.hpp>

#include "base/temporary_folder.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/campaign/results.h"
#include "study/needs_mnist.h"

namespace flatenn::study {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// The study of LeNet-5 in miniature, on the first images of MNIST.
class MiniatureStudy : public NeedsMnist {
 protected:
  void SetUp() override {
    NeedsMnist::SetUp();
    if (IsSkipped()) return;
    Config config = Config::from_string(definition_toml("lenet5"), "study-lenet5.toml");
    definition_ = read_definition(config, "lenet5");
    definition_.campaign.rates = {0.01, 0.05};
    definition_.spared.rates = {0.05};
    definition_.tuning.hold_out = 500;
    definition_.tuning.budget = 0;  // the candidates listed alone
    definition_.tuning.trials = 2;
    Config analysis = Config::from_string(
        "[analysis.brief]\ncost = {images = 50}\n"
        "sharpness = {images = 50, samples = 1, trials = 2, eigenvalues = 1}\n"
        "sensitivity = {images = 50, trials = 2, gradient_images = 20}\n"
        "landscape = {images = 50, line_points = 3, plane_points = 3}\n",
        "analysis.toml");
    definition_.analysis = read_analysis_levels(analysis);
    options_ = {.out = folder_,
                .data = "mnist",
                .epochs = 1,
                .trials = 2,
                .arms = {"sgd-standard", "saq-sparse"},
                .analysis = "off",
                .settings = {"data.train_images=1280", "data.test_images=500"},
                .jobs = 1,
                .quiet = true,
                .command = "flatenn study lenet5"};
  }
  int64_t trials() const {
    int64_t count = 0;
    for (const campaign::PlanResult& plan : campaign::load_results(folder_ / "campaign.db")) {
      for (const campaign::CellResult& cell : plan.cells) count += cell.accuracy.count;
    }
    return count;
  }

  /// When each result of a network was written.
  std::map<std::string, fs::file_time_type> analysis_times(const std::string& network) const {
    std::map<std::string, fs::file_time_type> times;
    for (const auto& entry : fs::directory_iterator(folder_ / "analysis" / network)) {
      if (entry.path().extension() == ".json")
        times[entry.path().filename().string()] = entry.last_write_time();
    }
    return times;
  }

  const TemporaryFolder temporary_;
  fs::path folder_ = temporary_.path() / "study";
  Definition definition_;
  StudyOptions options_;
};

TEST_F(MiniatureStudy, GoesFromDataToReportAndDoesNothingTwice) {
  options_.analysis = "brief";
  const StudyOutcome outcome = run_study(definition_, options_);
  ASSERT_TRUE(outcome.finished());
  // Two networks: 3 kinds x 2 rates x 2 maps, and with the last layer spared 1 x 1 x 2.
  EXPECT_EQ(trials(), 2 * (3 * 2 * 2 + 2));
  // The one claim about accuracy that these arms speak to, in each of its 3 x 2 cells, and what
  // saq-sparse saves on 3 machines: energy, energy on the chip and latency.
  ASSERT_EQ(outcome.claims.size(), 6u + 9u);
  EXPECT_EQ(outcome.claims[0].id, "saq-sparse-beats-sgd-standard");
  EXPECT_EQ(outcome.claims[6].id, "saq-keeps-saving");
  EXPECT_EQ(outcome.claims[0].reason, "1 seed, 5 needed");
  EXPECT_THAT(read_file(outcome.report), HasSubstr("saq-sparse-seed1"));

  const auto trained = fs::last_write_time(folder_ / "runs/saq-sparse-seed1/model.onnx");
  const auto analysed = analysis_times("saq-sparse-seed1");
  EXPECT_THAT(analysed, SizeIs(5));
  options_.arms.push_back("sgd-sparse");
  ASSERT_TRUE(run_study(definition_, options_).finished());
  EXPECT_EQ(fs::last_write_time(folder_ / "runs/saq-sparse-seed1/model.onnx"), trained);
  EXPECT_EQ(trials(), 3 * (3 * 2 * 2 + 2));
  EXPECT_EQ(analysis_times("saq-sparse-seed1"), analysed);

  // Another way of measuring one part does that part again, and nothing else.
  definition_.analysis.at("brief").cost.images = 60;
  ASSERT_TRUE(run_study(definition_, options_).finished());
  auto again = analysis_times("saq-sparse-seed1");
  EXPECT_NE(again.at("cost.json"), analysed.at("cost.json"));
  again["cost.json"] = analysed.at("cost.json");
  EXPECT_EQ(again, analysed);
}

TEST_F(MiniatureStudy, RefusesAnAnalysisThatIsNotThereBeforeItTrains) {
  options_.analysis = "long";
  try {
    run_study(definition_, options_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("analysis: expected one of off, brief, got 'long'"));
  }
  EXPECT_FALSE(fs::exists(folder_ / "runs/sgd-standard-seed1"));
}

TEST_F(MiniatureStudy, TrainsTheSameNetworksSideBySide) {
  options_.settings.emplace_back("train.threads=1");
  run_study(definition_, options_);
  std::vector<std::string> alone;
  for (const char* name : {"sgd-standard-seed1", "saq-sparse-seed1"})
    alone.push_back(read_file(folder_ / "runs" / name / "model.onnx"));
  remove_folder(folder_);
  options_.jobs = 2;
  EXPECT_TRUE(run_study(definition_, options_).finished());
  for (size_t i = 0; const char* name : {"sgd-standard-seed1", "saq-sparse-seed1"})
    EXPECT_EQ(read_file(folder_ / "runs" / name / "model.onnx"), alone[i++]) << name;
}

TEST_F(MiniatureStudy, RefusesTrainingsSideBySideOnAGpu) {
  options_.device = "cuda";
  options_.jobs = 2;
  EXPECT_THROW(run_study(definition_, options_), Error);
}

TEST_F(MiniatureStudy, StopsWhereItIsAskedTo) {
  options_.stop_requested = [] { return true; };
  const StudyOutcome outcome = run_study(definition_, options_);
  EXPECT_EQ(outcome.ending, StudyEnding::kInterrupted);
  EXPECT_FALSE(fs::exists(folder_ / "report.html"));
  EXPECT_THAT(outcome.not_run, ElementsAre("sgd-standard-seed1: training interrupted",
                                           "saq-sparse-seed1: training not run"));
}

TEST_F(MiniatureStudy, StopsAtItsTimeLimitAndTellsWhatIsMissing) {
  definition_.spared.rates.clear();
  ASSERT_TRUE(run_study(definition_, options_).finished());
  options_.seeds = 2;
  options_.time_limit_s = 1e-6;
  const StudyOutcome outcome = run_study(definition_, options_);
  EXPECT_EQ(outcome.ending, StudyEnding::kTimeLimit);
  EXPECT_THAT(outcome.not_run, ElementsAre("sgd-standard-seed2: training interrupted",
                                           "saq-sparse-seed2: training not run"));
  const auto record = nlohmann::json::parse(read_file(folder_ / "study.json"));
  EXPECT_EQ(record["not_run"].size(), 2u);
  EXPECT_EQ(record["trainings"][0]["status"], "finished");
  EXPECT_EQ(record["claims"].size(), 6u);  // over what there is
}

/// With a network that all start from, and weights stored in two ways.
class WarmStudy : public MiniatureStudy {
 protected:
  void SetUp() override {
    MiniatureStudy::SetUp();
    if (IsSkipped()) return;
    definition_.warm_start = {.config = definition_.base, .settings = {"quant.enabled=false"}};
    definition_.spared.rates.clear();
    definition_.encodings = {.kinds = {"stuck_at_1"}, .rates = {0.05}, .trials = 2};
    definition_.encoding_names = {"gray", "differential_pair"};
    options_.warm_epochs = 2;
    options_.warm_settings = options_.settings;
  }

  nlohmann::json run_record(const std::string& name) const {
    return nlohmann::json::parse(read_file(folder_ / "runs" / name / "run.json"));
  }
};

TEST_F(WarmStudy, TrainsTheStartOnceAndCountsItsEpochs) {
  const StudyOutcome outcome = run_study(definition_, options_);
  ASSERT_TRUE(outcome.finished());
  EXPECT_THAT(outcome.not_run, IsEmpty());
  EXPECT_EQ(run_record("warm-start-seed1")["config"]["quant"]["enabled"], false);
  const std::string hash = run_record("sgd-standard-seed1")["warm_start_hash"];
  EXPECT_EQ(hash.size(), 64u);
  ASSERT_EQ(outcome.trainings.size(), 2u);
  EXPECT_EQ(outcome.trainings[1].warm_start_hash, hash);
  EXPECT_EQ(outcome.trainings[1].warm_epochs, 2);
  EXPECT_EQ(outcome.trainings[0].gradient_passes, 2 + 1);
  EXPECT_EQ(outcome.trainings[1].gradient_passes, 2 + 2 * 1);
  // Two networks: 3 kinds x 2 rates x 2 maps, and two encodings of 2 maps.
  EXPECT_EQ(trials(), 2 * (3 * 2 * 2 + 2 * 2));
  EXPECT_THAT(outcome_text(outcome), HasSubstr("2 + 1"));
}

TEST_F(WarmStudy, GoesOnElsewhereWithoutTheCheckpointsOfFinishedTrainings) {
  ASSERT_TRUE(run_study(definition_, options_).finished());
  const fs::path elsewhere = temporary_ / "moved";
  fs::rename(folder_, elsewhere);
  for (const char* run : {"warm-start-seed1", "sgd-standard-seed1", "saq-sparse-seed1"})
    fs::remove(elsewhere / "runs" / run / "checkpoint.pt");
  options_.out = folder_ = elsewhere;
  const auto trained = fs::last_write_time(folder_ / "runs/saq-sparse-seed1/model.onnx");
  ASSERT_TRUE(run_study(definition_, options_).finished());
  EXPECT_EQ(fs::last_write_time(folder_ / "runs/saq-sparse-seed1/model.onnx"), trained);
  EXPECT_FALSE(fs::exists(folder_ / "runs/warm-start-seed1/checkpoint.pt"));

  // Another arm needs the start again, which a CPU computes bit for bit.
  options_.arms.push_back("sgd-sparse");
  const StudyOutcome outcome = run_study(definition_, options_);
  ASSERT_TRUE(outcome.finished());
  EXPECT_EQ(outcome.trainings[2].warm_start_hash, outcome.trainings[0].warm_start_hash);
  EXPECT_THAT(outcome.not_run, IsEmpty());
}

TEST_F(WarmStudy, TunesFromAStartThatHasNotSeenTheHeldOutImages) {
  definition_.tuning.candidates = {{"sgd", {"optimizer.learning_rate=0.01"}}};
  options_.arms = {"sgd-standard"};
  options_.tune = true;
  ASSERT_TRUE(run_study(definition_, options_).finished());
  const auto hold_out = [&](const char* run) {
    return nlohmann::json::parse(read_file(folder_ / run))["config"]["data"]["hold_out"];
  };
  EXPECT_EQ(hold_out("tune/warm-start-seed1/run.json"), 500);
  EXPECT_EQ(hold_out("runs/warm-start-seed1/run.json"), 0);
}

TEST_F(WarmStudy, CallsAtOnceShareAStartACampaignAndATuning) {
  definition_.tuning.candidates = {{"sgd", {"optimizer.learning_rate=0.01"}},
                                   {"saq", {"sharpness.rho=0.1", "sharpness.rho=0.2"}}};
  options_.tune = true;
  const auto study_of = [this](const std::string& arm) {
    StudyOptions options = options_;
    options.arms = {arm};
    return run_study(definition_, options).finished();
  };
  std::future<bool> other = std::async(std::launch::async, study_of, "saq-sparse");
  EXPECT_TRUE(study_of("sgd-standard"));
  EXPECT_TRUE(other.get());
  const StudyOutcome outcome = run_study(definition_, options_);
  EXPECT_THAT(outcome.not_run, IsEmpty());
  EXPECT_EQ(outcome.trainings[0].warm_start_hash, outcome.trainings[1].warm_start_hash);
  const auto record = nlohmann::json::parse(read_file(folder_ / "tune.json"));
  EXPECT_EQ(record.at("candidates").size(), 3U);
  EXPECT_EQ(record.at("chosen").size(), 2U);
}

TEST_F(WarmStudy, RefusesAFolderTrainedWithOtherSettings) {
  options_.arms = {"sgd-standard"};
  ASSERT_TRUE(run_study(definition_, options_).finished());
  options_.settings.push_back("optimizer.learning_rate=0.01");
  try {
    run_study(definition_, options_);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("optimizer.learning_rate: 0.05 before, 0.01 now"));
  }
}

TEST_F(WarmStudy, GoesOnWithoutANetworkThatDiverges) {
  definition_.activations["sparse"].settings.push_back("optimizer.learning_rate=1e9");
  const StudyOutcome outcome = run_study(definition_, options_);
  EXPECT_TRUE(outcome.finished());
  EXPECT_EQ(outcome.trainings[1].status, "diverged");
  EXPECT_THAT(outcome.not_run, ElementsAre("saq-sparse-seed1: training diverged"));
  EXPECT_EQ(trials(), 3 * 2 * 2 + 2 * 2);
}

TEST_F(MiniatureStudy, ChoosesSettingsOnHeldOutImagesOnce) {
  definition_.tuning.candidates = {{"sgd",
                                    {"optimizer.learning_rate=0.01 optimizer.weight_decay=0.02",
                                     "optimizer.learning_rate=0.05 optimizer.weight_decay=0.03"}}};
  options_.arms = {"sgd-standard"};
  options_.tune = true;
  ASSERT_TRUE(run_study(definition_, options_).finished());
  const auto record = nlohmann::json::parse(read_file(folder_ / "tune.json"));
  ASSERT_EQ(record.at("candidates").size(), 2u);
  const bool first_is_best = record["candidates"][0]["faulty_accuracy"].get<double>() >=
                             record["candidates"][1]["faulty_accuracy"].get<double>();
  EXPECT_THAT(record["chosen"]["sgd-standard"],
              first_is_best
                  ? ElementsAre("optimizer.learning_rate=0.01", "optimizer.weight_decay=0.02")
                  : ElementsAre("optimizer.learning_rate=0.05", "optimizer.weight_decay=0.03"));
  const auto run = nlohmann::json::parse(read_file(folder_ / "runs/sgd-standard-seed1/run.json"));
  EXPECT_EQ(run["config"]["optimizer"]["learning_rate"], first_is_best ? 0.01 : 0.05);
  EXPECT_EQ(run["config"]["optimizer"]["weight_decay"], first_is_best ? 0.02 : 0.03);
  EXPECT_EQ(run["config"]["data"]["hold_out"], 0);
}

TEST_F(MiniatureStudy, WidensASearchUpToItsBudgetAndGoesOnWhereItWas) {
  definition_.tuning.candidates = {
      {"sgd", {"optimizer.learning_rate=1e-5", "optimizer.learning_rate=2e-5"}}};
  definition_.tuning.budget = 4;
  definition_.tuning.kinds = {"bit_flip"};
  options_.arms = {"sgd-standard"};
  options_.tune_only = true;
  ASSERT_TRUE(run_study(definition_, options_).finished());
  EXPECT_FALSE(fs::exists(folder_ / "runs/sgd-standard-seed1"));
  const auto record = nlohmann::json::parse(read_file(folder_ / "tune.json"));
  EXPECT_EQ(record.at("candidates").size(), 4u);
  const fs::path score = folder_ / "tune/tune-sgd-standard-optimizer.learning_rate=1e-5/score.json";
  const auto scored = fs::last_write_time(score);

  // A larger budget goes on from the scores there are.
  definition_.tuning.budget = 5;
  ASSERT_TRUE(run_study(definition_, options_).finished());
  EXPECT_EQ(fs::last_write_time(score), scored);
  const auto more = nlohmann::json::parse(read_file(folder_ / "tune.json"));
  ASSERT_EQ(more.at("candidates").size(), 5u);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(more["candidates"][i], record["candidates"][i]);
}

TEST_F(MiniatureStudy, HalvesItsCandidatesFromTheirCheckpointsAlsoAfterStops) {
  definition_.tuning.candidates = {
      {"sgd",
       {"optimizer.learning_rate=1e-6", "optimizer.learning_rate=0.02",
        "optimizer.learning_rate=0.05", "optimizer.learning_rate=1e-5"}}};
  definition_.tuning.halving = 2;
  options_.arms = {"sgd-standard"};
  options_.epochs = 4;
  options_.tune_only = true;
  ASSERT_TRUE(run_study(definition_, options_).finished());
  const auto record = nlohmann::json::parse(read_file(folder_ / "tune.json"));
  ASSERT_EQ(record.at("candidates").size(), 4u);
  std::map<int64_t, int64_t> reached;
  int64_t trained = 0;
  for (const auto& candidate : record["candidates"]) {
    const auto epochs = candidate["epochs"].get<int64_t>();
    reached[epochs] += 1;
    EXPECT_EQ(candidate["rungs"].back()["epochs"], epochs);
    const std::string setting = candidate["setting"];
    const std::string metrics =
        read_file(folder_ / "tune" / ("tune-sgd-standard-" + setting) / "metrics.jsonl");
    trained += std::count(metrics.begin(), metrics.end(), '\n');
    if (epochs == 4) {
      EXPECT_THAT(record["chosen"]["sgd-standard"], ElementsAre(setting));
    }
  }
  EXPECT_EQ(reached, (std::map<int64_t, int64_t>{{1, 2}, {2, 1}, {4, 1}}));
  EXPECT_EQ(trained, 1 + 1 + 2 + 4) << "none is trained from the start again";
  EXPECT_THAT(read_file(folder_ / "tune.csv"),
              HasSubstr("arm,setting,epochs,faulty_accuracy,accuracy,sparsity,diverged,chosen,"));

  // In pieces: the same choice from the same scores.
  options_.out = temporary_.path() / "pieces";
  int64_t asked = 0;
  options_.stop_requested = [&asked] { return ++asked % 4 == 0; };
  int64_t calls = 1;
  while (!run_study(definition_, options_).finished() && calls < 100) ++calls;
  EXPECT_GT(calls, 2);
  const auto pieces = nlohmann::json::parse(read_file(options_.out / "tune.json"));
  EXPECT_EQ(pieces["candidates"], record["candidates"]);
  EXPECT_EQ(pieces["chosen"], record["chosen"]);
}

TEST_F(MiniatureStudy, ACandidateMayHaveTheOtherFormOfTheRadius) {
  definition_.tuning.candidates = {{"saq", {"sharpness.rho_relative=0.005"}}};
  options_.arms = {"saq-sparse"};
  options_.tune_only = true;
  ASSERT_TRUE(run_study(definition_, options_).finished());
  const auto run = nlohmann::json::parse(
      read_file(folder_ / "tune/tune-saq-sparse-sharpness.rho_relative=0.005/run.json"));
  EXPECT_EQ(run["config"]["sharpness"]["rho_relative"], 0.005);
  EXPECT_NEAR(run["result"]["rho_relative"].get<double>(), 0.005, 1e-6);
}

TEST_F(MiniatureStudy, LeavesOutAnArmWhoseSearchDivergesEverywhere) {
  definition_.tuning.candidates = {{"sgd", {"optimizer.learning_rate=0.05"}},
                                   {"saq", {"optimizer.learning_rate=1e9"}}};
  // Of the arm's own settings, which would otherwise come later.
  definition_.activations["sparse"].settings.clear();
  options_.tune = true;
  const StudyOutcome outcome = run_study(definition_, options_);
  EXPECT_TRUE(outcome.finished());
  EXPECT_THAT(outcome.failed, ElementsAre("saq-sparse"));
  EXPECT_FALSE(fs::exists(folder_ / "runs/saq-sparse-seed1"));
  EXPECT_TRUE(fs::exists(folder_ / "runs/sgd-standard-seed1/model.onnx"));
  EXPECT_EQ(trials(), 3 * 2 * 2 + 2);
}

}  // namespace
}  // namespace flatenn::study
