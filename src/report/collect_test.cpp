#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/temporary_folder.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/report/findings.h"
#include "report/test_findings.h"

namespace flatenn::report {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Collect : public ::testing::Test {
 protected:
  fs::path write(const std::string& name, const std::string& content) const {
    fs::create_directories((folder_ / name).parent_path());
    write_file_atomically(folder_ / name, content);
    return folder_ / name;
  }
  std::string message(const fs::path& path) const {
    try {
      collect({path});
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  const TemporaryFolder temporary_;
  const fs::path& folder_ = temporary_.path();
};

TEST_F(Collect, FindsRunsBelowAFolderInOrder) {
  write("b/run.json", R"({"name": "second", "config": {"optimizer": {"kind": "saq"}}})");
  write("a/run.json", R"({"name": "first"})");
  write("a/metrics.jsonl", "{\"epoch\": 1}\n{\"epoch\": 2}\n");
  const Findings findings = collect({folder_});
  ASSERT_EQ(findings.runs.size(), 2u);
  EXPECT_EQ(findings.runs[0].name, "first");
  EXPECT_EQ(findings.runs[0].epochs.size(), 2u);
  EXPECT_EQ(findings.runs[0].arm(), "first");
  EXPECT_EQ(findings.runs[1].arm(), "saq/standard");
}

TEST_F(Collect, KeepsResultsOfOtherCommandsForTheirSections) {
  write("net/landscape.json", R"({"flatenn_result": "landscape", "points": [1]})");
  write("net/package.json", R"({"name": "foreign"})");
  const Findings findings = collect({folder_});
  ASSERT_EQ(findings.artifacts.size(), 1u);
  EXPECT_EQ(findings.artifacts[0].kind, "landscape");
  EXPECT_EQ(findings.artifacts[0].label, "net");
}

TEST_F(Collect, ReadsBackTheClaimsOfAStudy) {
  const std::vector<Claim> claims = testing::test_findings().claims;
  const nlohmann::json study = {{"flatenn_result", "study"},
                                {"title", "t"},
                                {"commands", {"flatenn study"}},
                                {"claims", claims_to_json(claims)}};
  const Findings findings = collect({write("study.json", study.dump())});
  EXPECT_EQ(claims_to_json(findings.claims), claims_to_json(claims));
  EXPECT_EQ(findings.title, "t");
  EXPECT_EQ(findings.commands, (std::vector<std::string>{"flatenn study"}));
}

TEST_F(Collect, NamesAFileThatFlatennDidNotWrite) {
  for (const std::string kind : {"cost", "landscape", "sensitivity", "sharpness"}) {
    for (const std::string result : {"[1]", "\"x\"", "3", "{\"radii\": 3}", "[{\"layers\": 3}]"}) {
      const std::string text = "{\"flatenn_result\": \"" + kind + "\", \"result\": " + result + "}";
      EXPECT_THAT(message(write("a.json", text)),
                  ::testing::AnyOf("no error", HasSubstr("a.json: is not as flatenn writes it: ")))
          << text;
    }
  }
  EXPECT_THAT(message(write("a.json", R"({"flatenn_result": "cost", "result": [1]})")),
              HasSubstr("a.json: is not as flatenn writes it: "));
  for (const std::string lists :
       {R"("x": [0, 1], "y": [0, 0], "loss": [])", R"("x": [0], "y": [0], "loss": [0, 1, 2, 3])"}) {
    const std::string plane =
        R"({"flatenn_result": "landscape", "result": {"x_name": "a", "y_name": "b", )" + lists +
        R"(, "settings": {"points": 2, "plane": true, "space": "after"}}})";
    EXPECT_THAT(message(write("a.json", plane)),
                HasSubstr("a.json: is not as flatenn writes it: 'x' holds "));
  }
  EXPECT_THAT(message(write("a.json", R"({"flatenn_result": 3})")),
              HasSubstr("a.json: 'flatenn_result' must be a string"));
  EXPECT_THAT(message(write("run/run.json", R"({"name": 3, "status": 4})")),
              HasSubstr("run: is not as flatenn writes it: "));
}

TEST_F(Collect, PassesOverTheCandidatesOfTuning) {
  write("runs/a/run.json", R"({"name": "network"})");
  write("tune/tune-a-1/run.json", R"({"name": "candidate"})");
  EXPECT_EQ(collect({folder_}).runs.size(), 2u);  // an ordinary folder of that name
  write("tune.json", R"({"flatenn_result": "tuning", "hold_out": 1, "trials": 2,
    "rate": 0.1, "seed": 3, "candidates": []})");
  const Findings findings = collect({folder_});
  ASSERT_EQ(findings.runs.size(), 1u);
  EXPECT_EQ(findings.runs[0].name, "network");
}

TEST_F(Collect, PassesOverALineThatACrashCutShort) {
  write("run.json", "{}");
  write("metrics.jsonl", "{\"epoch\": 1}\n{\"epo");
  EXPECT_EQ(collect({folder_}).runs[0].epochs.size(), 1u);
}

TEST_F(Collect, NamesTheLineOfDamagedMetrics) {
  write("run.json", "{}");
  write("metrics.jsonl", "{\"epoch\": 1}\nxx\n{\"epoch\": 3}\n");
  EXPECT_THAT(message(folder_), HasSubstr("metrics.jsonl:2: not a JSON object"));
}

TEST_F(Collect, LeavesOutWhatIsNoFileAndNeverWaitsForIt) {
  write("run.json", "{}");
  ASSERT_EQ(::mkfifo((folder_ / "pipe.db").c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo((folder_ / "pipe.json").c_str(), 0600), 0);
  fs::create_directory(folder_ / "sub");
  ASSERT_EQ(::mkfifo((folder_ / "sub/run.json").c_str(), 0600), 0);
  fs::create_symlink("loop", folder_ / "loop");
  fs::create_symlink("absent", folder_ / "dangling.json");
  const Findings findings = collect({folder_});
  EXPECT_EQ(findings.runs.size(), 1U);
  EXPECT_THAT(findings.left_out,
              ::testing::ElementsAre(HasSubstr("loop: "), HasSubstr("pipe.db: is not a regular"),
                                     HasSubstr("pipe.json: is not a regular file"),
                                     HasSubstr("run.json: is not a regular file")));
}

TEST_F(Collect, RefusesANamedPathThatIsNoFile) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe.db").c_str(), 0600), 0);
  EXPECT_THAT(message(folder_ / "pipe.db"), HasSubstr("pipe.db: is not a regular file"));
  EXPECT_THAT(message(folder_), HasSubstr("pipe.db: is not a regular file"));
  fs::create_symlink("loop.db", folder_ / "loop.db");
  EXPECT_THAT(message(folder_ / "loop.db"), HasSubstr("loop.db: "));
}

TEST_F(Collect, LeavesOutForeignAndDamagedFilesOfAFolder) {
  write("a/run.json", "{}");
  write("b/run.json", "[1]");
  write("c/foreign.db", "not a database");
  write("c/landscape.json", R"({"flatenn_result": "landscape", "result": {"settings": 3}})");
  const Findings findings = collect({folder_});
  EXPECT_EQ(findings.runs.size(), 1U);
  EXPECT_TRUE(findings.artifacts.empty());
  EXPECT_THAT(
      findings.left_out,
      ::testing::ElementsAre(HasSubstr("run.json: expected"), HasSubstr("foreign.db: is not"),
                             HasSubstr("landscape.json: is not as flatenn writes it")));
}

TEST_F(Collect, TakesAFileOnceHoweverOftenItIsMet) {
  write("a/run.json", "{}");
  write("a/cost.json", R"({"flatenn_result": "other"})");
  fs::create_hard_link(folder_ / "a/cost.json", folder_ / "cost.json");
  fs::create_directory_symlink(folder_, folder_ / "a/again");
  fs::create_directory_symlink(folder_ / "a", folder_ / "b");
  const Findings findings = collect({folder_, folder_ / "a", folder_ / "b/run.json", folder_});
  EXPECT_EQ(findings.runs.size(), 1U);
  EXPECT_EQ(findings.artifacts.size(), 1U);
  EXPECT_TRUE(findings.left_out.empty());
}

TEST_F(Collect, SaysWhatIsWrongWithAPath) {
  EXPECT_THAT(message(folder_ / "absent"), HasSubstr("absent: no such file or folder"));
  EXPECT_THAT(message(folder_), HasSubstr("holds no run.json, no campaign database"));
  EXPECT_THAT(message(write("x.txt", "x")), HasSubstr("x.txt: neither a run folder"));
  EXPECT_THAT(message(write("x.json", "{")), HasSubstr("x.json: not valid JSON"));
  EXPECT_THAT(message(write("y/run.json", "[1]")), HasSubstr("run.json: expected a JSON object"));
  EXPECT_THAT(message(write("z.db", "not a database")), HasSubstr("z.db"));
  EXPECT_THAT(message(write("s.json", R"({"flatenn_result": "study"})")),
              HasSubstr("s.json: not a study's result"));
}

}  // namespace
}  // namespace flatenn::report
