#include "flatenn/data/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/test_files.h"
#include "flatenn/base/hash.h"

namespace flatenn::data {
namespace {

using State = FileCheck::State;

TEST(VerifyDataSet, TellsGoodFromMissingWrongAndUnreadable) {
  const TemporaryFolder root;
  const std::string content = testing::idx_images(2);
  DataSet set = find_data_set("mnist");
  set.files = {{"good", sha256_hex(content), 0},
               {"packed", sha256_hex(content), 0},
               {"missing", sha256_hex(content), 0},
               {"wrong", sha256_hex(content), 0},
               {"empty", sha256_hex(content), 0}};
  testing::write_file(root / "mnist" / "good", content);
  testing::write_file(root / "mnist" / "packed.xz", testing::pack(content, testing::Packing::kXz));
  testing::write_file(root / "mnist" / "wrong", content + "x");
  testing::write_file(root / "mnist" / "empty", "");
  const Verification found = verify_data_set(set, root.path());
  std::vector<State> states;
  for (const FileCheck& file : found.files) states.push_back(file.state);
  EXPECT_THAT(states, ::testing::ElementsAre(State::kGood, State::kGood, State::kMissing,
                                             State::kDiffers, State::kUnreadable));
  EXPECT_EQ(found.bad_files(), 3);
  EXPECT_EQ(found.files[3].sha256, sha256_hex(content + "x"));
}

TEST(FindPresence, CountsTheFilesOfBothSplits) {
  const TemporaryFolder root;
  const DataSet set = find_data_set("cifar10");
  EXPECT_EQ(find_presence(set, root.path()).folder, root / "cifar-10-batches-bin");
  EXPECT_FALSE(find_presence(set, root.path()).complete);
  testing::write_cifar_set(root / "cifar-10-batches-bin", 2);
  const Presence all = find_presence(set, root.path());
  EXPECT_TRUE(all.complete);
  EXPECT_EQ(all.files, 6);
  EXPECT_EQ(all.bytes, 6 * 2 * 3073);
  std::filesystem::remove(root / "cifar-10-batches-bin" / "data_batch_2.bin");
  EXPECT_FALSE(find_presence(set, root.path()).complete);
}

}  // namespace
}  // namespace flatenn::data
