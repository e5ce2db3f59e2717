#include "flatenn/study/regimes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "base/temporary_folder.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/campaign/results.h"
#include "study/needs_mnist.h"

namespace flatenn::study {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A grid of LeNet-5 in miniature, on the first images of MNIST: two regimes that exist, one that
/// does not.
class MiniatureGrid : public NeedsMnist {
 protected:
  void SetUp() override {
    NeedsMnist::SetUp();
    if (IsSkipped()) return;
    options_.study = {.out = folder_, .jobs = 1, .quiet = true, .command = "flatenn study g"};
  }

  static Grid grid(const std::string& rates = "0.01, 0.05") {
    Config config = Config::from_string(
        "seeds = 3\nepochs = 1\n[grid]\nnetworks = [\"n\"]\nbits = [\"w4a4\"]\n"
        "first_last = [\"8\", \"all\"]\nquantizers = [\"liq\", \"tied\"]\nsparsity = [\"none\"]\n"
        "recipes = [\"sgd\", \"saq\"]\nencodings = [\"offset_binary\", \"gray\"]\n"
        "kinds = [\"stuck_at_1\"]\nrates = [" +
            rates +
            "]\n[networks.n]\nbase = \"lenet5-fashion-mnist-sgd-standard\"\ndata = \"mnist\"\n"
            "set = [\"data.train_images=640\", \"data.test_images=100\"]\n"
            "[recipes.sgd]\nset = [\"optimizer.kind=sgd\"]\n"
            "[recipes.saq]\nset = [\"optimizer.kind=saq\"]\n"
            "[campaign]\ntrials = 2\nimages = 100\n"
            "[comparisons.gain]\nbetter = \"saq-*\"\nworse = \"sgd-*\"\n"
            "claim = {rates = [0.05]}\n",
        "g.toml");
    return read_grid(config, "g");
  }

  nlohmann::json result() const {
    return nlohmann::json::parse(read_file(folder_ / "regimes.json"));
  }

  const TemporaryFolder temporary_;
  fs::path folder_ = temporary_.path() / "study";
  RegimeOptions options_;
};

/// Mean over seeds of what a regime's database says of two arms, by another way than the study's.
double gain_in(const fs::path& folder, const std::string& question, int64_t level) {
  std::map<std::string, double> sums;
  for (const campaign::PlanResult& plan : campaign::load_results(folder / "campaign.db")) {
    if (!plan.name.starts_with(question)) continue;
    for (const double accuracy : plan.cell(0, 0, level)->accuracies)
      sums[plan.name.find("saq") == std::string::npos ? "sgd" : "saq"] += accuracy / (2 * 3);
  }
  return sums["saq"] - sums["sgd"];
}

TEST_F(MiniatureGrid, MeasuresEveryRegimeAndDoesNothingTwice) {
  const RegimesOutcome outcome = run_regimes(grid(), options_);
  ASSERT_TRUE(outcome.finished());
  EXPECT_THAT(outcome.not_run, IsEmpty());
  ASSERT_EQ(outcome.missing.size(), 1u);
  EXPECT_EQ(outcome.missing[0].name, "n-w4a4-first8-liq");
  ASSERT_EQ(outcome.rows.size(), 3u * 2 * 2);  // regimes, encodings, rates
  for (const RegimeRow& row : outcome.rows) {
    EXPECT_EQ(row.claim.seeds, 3);
    EXPECT_EQ(row.claimed, row.claim.rate == 0.05);
    EXPECT_EQ(row.claim.verdict == "exploratory", !row.claimed);
    EXPECT_EQ(row.claim.holm_p_value.has_value(), row.claimed);
    EXPECT_GT(row.code_rms, 0);
    const std::string question = row.encoding == "offset_binary" ? "all layers" : "stored as gray";
    EXPECT_NEAR(row.claim.difference,
                gain_in(folder_ / "regimes" / row.regime, question, row.claimed ? 1 : 0), 1e-12);
    EXPECT_NEAR(row.better_accuracy - row.worse_accuracy, row.claim.difference, 1e-12);
  }
  EXPECT_EQ(result().at("rows").size(), outcome.rows.size());
  std::istringstream csv(read_file(folder_ / "regimes.csv"));
  int64_t lines = 0;
  for (std::string line; std::getline(csv, line);) ++lines;
  EXPECT_EQ(lines, 1 + static_cast<int64_t>(outcome.rows.size()));
  EXPECT_THAT(read_file(outcome.report), HasSubstr("regimes-gain-n-stuck-at-1"));

  const fs::path model = folder_ / "regimes/n-w4a4-first8-tied/runs/saq-standard-seed3/model.onnx";
  const auto trained = fs::last_write_time(model);
  const nlohmann::json before = result();
  ASSERT_TRUE(run_regimes(grid(), options_).finished());
  EXPECT_EQ(fs::last_write_time(model), trained);
  EXPECT_EQ(result(), before);
}

TEST_F(MiniatureGrid, JoinsPartsOfOtherFolders) {
  options_.study.seeds = 1;
  options_.only = {"*-liq"};
  ASSERT_TRUE(run_regimes(grid(), options_).finished());
  options_.study.out = temporary_.path() / "elsewhere";
  options_.only = {"n-w4a4-first8-*", "*all-alike-tied"};
  const RegimesOutcome part = run_regimes(grid(), options_);
  EXPECT_EQ(part.rows.size(), 2u * 2 * 2);
  EXPECT_THAT(part.not_run, ::testing::Contains(HasSubstr("n-w4a4-all-alike-liq: sgd-standard")));
  fs::copy(options_.study.out / "regimes", folder_ / "regimes", fs::copy_options::recursive);
  options_.study.out = folder_;
  options_.only = {};
  const RegimesOutcome whole = run_regimes(grid(), options_);
  EXPECT_THAT(whole.not_run, IsEmpty());
  EXPECT_EQ(whole.rows.size(), 3u * 2 * 2);
}

/// Copying one seed's folder over another's replaces its database: what is lost is measured again.
TEST_F(MiniatureGrid, JoinsSeedsOfOneRegimeFromOtherFolders) {
  options_.only = {"*-liq"};
  options_.study.seeds = 1;
  ASSERT_TRUE(run_regimes(grid(), options_).finished());
  options_.study.out = temporary_.path() / "elsewhere";
  options_.study.first_seed = options_.study.seeds = 2;
  ASSERT_TRUE(run_regimes(grid(), options_).finished());
  fs::copy(options_.study.out / "regimes", folder_ / "regimes",
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  options_.study.out = folder_;
  options_.study.first_seed = 1;
  const fs::path model =
      folder_ / "regimes/n-w4a4-all-alike-liq/runs/saq-standard-seed1/model.onnx";
  const auto trained = fs::last_write_time(model);
  const RegimesOutcome whole = run_regimes(grid(), options_);
  ASSERT_TRUE(whole.finished());
  EXPECT_EQ(fs::last_write_time(model), trained);
  ASSERT_EQ(whole.rows.size(), 2u * 2);
  for (const RegimeRow& row : whole.rows) EXPECT_EQ(row.claim.seeds, 2);
}

TEST_F(MiniatureGrid, RefusesAnotherGridAndRegimesThatAreNotThere) {
  const auto message = [&](const Grid& grid) {
    try {
      run_regimes(grid, options_);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  options_.study.stop_requested = [] { return true; };
  EXPECT_EQ(run_regimes(grid(), options_).ending, StudyEnding::kInterrupted);
  EXPECT_THAT(message(grid("0.01, 0.02, 0.05")),
              HasSubstr("was begun with another grid: grid.rates: [0.01,0.05] before, "
                        "[0.01,0.02,0.05] now"));
  EXPECT_EQ(message(grid()), "no error");
  options_.only = {"*-lsq"};
  EXPECT_THAT(message(grid()), HasSubstr("--regimes: none is called '*-lsq'; there are n-w4a4-"));
}

/// Bits and quantizer are what tells regimes apart, whoever would set them.
TEST_F(MiniatureGrid, RefusesARecipeThatSetsAnAxis) {
  for (const std::string setting : {"quant.quantizer=lsq", "quant.weight_bits=3",
                                    "quant.activation_bits=8", "quant.first_last_bits=6"}) {
    Grid own = grid();
    own.shared.recipes["saq"].settings.push_back(setting);
    try {
      run_regimes(own, options_);
      ADD_FAILURE() << setting << ": no error";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(setting.substr(0, setting.find('='))));
      EXPECT_THAT(error.what(), HasSubstr("is an axis of the grid"));
    }
  }
}

}  // namespace
}  // namespace flatenn::study
