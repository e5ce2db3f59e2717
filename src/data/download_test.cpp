#include "data/download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>

#include "data/test_files.h"
#include "data/test_server.h"
#include "flatenn/base/file.h"

namespace flatenn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TestServer;

class Download : public ::testing::Test {
 protected:
  std::optional<std::string> from(const TestServer& server) {
    return download(server.address() + "/file", part_, {.quiet = true});
  }

  std::string content_ = testing::idx_images(100);
  TemporaryFolder folder_;
  std::filesystem::path part_ = folder_ / "part";
};

TEST_F(Download, GetsTheWholeFile) {
  const TestServer server({{"/file", {.content = content_}}});
  EXPECT_EQ(from(server), std::nullopt);
  EXPECT_TRUE(read_file(part_) == content_);
}

TEST_F(Download, ContinuesAPartWhereItStopped) {
  testing::write_file(part_, content_.substr(0, 1000));
  const TestServer server({{"/file", {.content = content_}}});
  EXPECT_EQ(from(server), std::nullopt);
  EXPECT_TRUE(read_file(part_) == content_);
  EXPECT_THAT(server.requests(), ElementsAre("/file bytes=1000-"));
}

TEST_F(Download, StartsAgainWhereTheServerCannotContinue) {
  testing::write_file(part_, "something else that came first");
  const TestServer server({{"/file", {.content = content_, .ranges = false}}});
  EXPECT_EQ(from(server), std::nullopt);
  EXPECT_TRUE(read_file(part_) == content_);
}

TEST_F(Download, ContinuesByItselfAfterABrokenConnection) {
  const TestServer server({{"/file", {.content = content_, .break_after = 5000}}});
  EXPECT_EQ(from(server), std::nullopt);
  EXPECT_TRUE(read_file(part_) == content_);
  EXPECT_THAT(server.requests(), ElementsAre("/file", "/file bytes=5000-"));
}

TEST_F(Download, TriesAgainWhereTheServerIsBusy) {
  const TestServer server({{"/file", {.content = content_, .failures = 2}}});
  EXPECT_EQ(from(server), std::nullopt);
  EXPECT_TRUE(read_file(part_) == content_);
}

TEST_F(Download, GivesUpAtOnceOnWhatIsNotThere) {
  const TestServer server({});
  EXPECT_THAT(from(server).value_or(""), HasSubstr("404"));
  EXPECT_EQ(server.requests().size(), 1u);
  EXPECT_FALSE(std::filesystem::exists(part_));
}

TEST_F(Download, GivesUpInAMomentWhereNobodyListens) {
  const auto start = std::chrono::steady_clock::now();
  const std::string address = "http://127.0.0.1:" + std::to_string(testing::closed_port());
  EXPECT_THAT(download(address + "/file", part_, {.quiet = true}).value_or(""),
              HasSubstr("connect"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

/// While it lives, no file can grow beyond `bytes`: what a full disk looks like to a program.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST_F(Download, ThrowsWhereTheDiskIsFull) {
  const TestServer server({{"/file", {.content = content_}}});
  const FileSizeLimit limit(10000);
  EXPECT_THAT(testing::error_of([&] { from(server); }),
              ::testing::AllOf(HasSubstr(part_.string()), HasSubstr("cannot be written")));
}

}  // namespace
}  // namespace flatenn::data
