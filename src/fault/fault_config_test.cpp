#include "flatenn/fault/fault_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"

namespace flatenn::fault {
namespace {

using testing::HasSubstr;

FaultModel read(const std::string& toml, const std::string& folder = ".") {
  Config config = Config::from_string(toml, "plan.toml");
  FaultModel model = read_fault_model(config, folder);
  config.check_all_read();
  return model;
}

std::string error_of(const std::string& toml) {
  try {
    read(toml);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(FaultConfig, ReadsTheRatesOfBothDirections) {
  const FaultSource source =
      read("[[faults]]\nrate_0_to_1 = 0.003\nrate_1_to_0 = 0.001\n").sources.at(0);
  EXPECT_DOUBLE_EQ(source.rate.value(), 0.004);
  EXPECT_DOUBLE_EQ(source.kinds.flip_0_to_1, 0.75);
  EXPECT_DOUBLE_EQ(source.kinds.flip_1_to_0, 0.25);
  EXPECT_EQ(source.kinds.bit_flip, 0);
  const FaultSource one = read("[[faults]]\nrate_1_to_0 = 0.1\n").sources.at(0);
  EXPECT_EQ(one.kinds.flip_1_to_0, 1);
  EXPECT_EQ(one.kinds.flip_0_to_1, 0);
  const FaultSource up = read("[[faults]]\nrate_0_to_1 = 0.1\n").sources.at(0);
  EXPECT_EQ(up.kinds.flip_0_to_1, 1);
  EXPECT_EQ(up.kinds.flip_1_to_0, 0);
  EXPECT_EQ(read("[[faults]]\nrate_0_to_1 = 0\n").sources.at(0).rate, 0);
  EXPECT_THAT(error_of("[[faults]]\nrate_0_to_1 = 0.1\nkind = \"bit_flip\"\n"),
              HasSubstr("plan.toml:2: faults.0.rate_0_to_1: contradicts kind"));
  EXPECT_THAT(error_of("[[faults]]\nrate_0_to_1 = 0.7\nrate_1_to_0 = 0.5\n"),
              HasSubstr("must sum to at most 1"));
}

TEST(FaultConfig, ReadsNoiseAndDriftOfLevels) {
  const FaultModel model = read(
      "[[faults]]\nunit = \"level\"\nrate = 0.02\ndrift_time = 3600\n"
      "drift_exponent = 0.05\ndrift_spread = 0.01\n");
  const FaultSource& source = model.sources.at(0);
  EXPECT_EQ(source.unit, FaultUnit::kLevel);
  EXPECT_FALSE(source.follows_kind);
  EXPECT_EQ(source.drift, (LevelDrift{.time_ratio = 3600, .exponent = 0.05, .spread = 0.01}));
  EXPECT_THAT(describe(model), HasSubstr("noise of levels of 0.02 of the range, drift over 3600"));
  const FaultModel still = read("[[faults]]\nunit = \"level\"\n");
  EXPECT_TRUE(still.follows_rate());
  EXPECT_EQ(still.sources.at(0).drift, LevelDrift{});
  EXPECT_THAT(error_of("[[faults]]\nunit = \"level\"\nkind = \"bit_flip\"\n"),
              HasSubstr("level has noise, not kinds of faults"));
  EXPECT_THAT(error_of("[[faults]]\ndrift_time = 3600\n"), HasSubstr("drift_time"));
}

TEST(FaultConfig, OlderPlansKeepTheirFingerprints) {
  const nlohmann::json kinds =
      to_json(read("[[faults]]\nkind = \"stuck_at_0\"\n")).at("sources").at(0).at("kinds");
  EXPECT_EQ(kinds.dump(), R"({"bit_flip":0.0,"stuck_at_0":1.0,"stuck_at_1":0.0})");
}

TEST(FaultConfig, WithoutTablesFollowsThePlansKindAndRate) {
  const FaultModel model = read("");
  ASSERT_EQ(model.sources.size(), 1u);
  EXPECT_TRUE(model.follows_kind());
  EXPECT_TRUE(model.follows_rate());
  EXPECT_EQ(model.encoding, Encoding::kTwosComplement);
  EXPECT_FALSE(model.array.has_value());
  EXPECT_TRUE(model.protection.none());
  const FaultModel stuck = model.with_kind(FaultKind::kStuckAt1);
  EXPECT_FALSE(stuck.follows_kind());
  EXPECT_EQ(stuck.sources[0].kinds, KindShares::only(FaultKind::kStuckAt1));
}

TEST(FaultConfig, WithoutTablesTakesThePlansOwnChoiceOfBits) {
  const FaultModel model =
      read("layers = [\"a\"]\nspare = [\"b\"]\nbits = [-1, 0]\nbiases = true\n");
  ASSERT_EQ(model.sources.size(), 2u);
  EXPECT_EQ(model.sources[0].layers, std::vector<std::string>{"a"});
  EXPECT_EQ(model.sources[0].spare, std::vector<std::string>{"b"});
  EXPECT_EQ(model.sources[0].bits, (std::vector<int>{-1, 0}));
  EXPECT_EQ(model.sources[1].target, FaultTarget::kBiases);
  EXPECT_TRUE(model.sources[1].follows_kind);
  for (const std::string key : {"layers = \"a\"", "spare = \"a\"", "bits = 1", "biases = true"}) {
    EXPECT_THAT(error_of(key + "\n[[faults]]\n"), HasSubstr("contradicts [[faults]]"));
  }
}

TEST(FaultConfig, ReadsEveryKey) {
  const FaultModel model = read(R"(
[memory]
encoding = "gray"
[memory.array]
rows = 64
columns = 32
bits_per_cell = 2
arrays = 9
mapping = "linear"
[[faults]]
unit = "word"
shares = {stuck_at_0 = 0.25, stuck_at_1 = 0.75}
rate = 1e-3
length = 3
scattered = true
layers = ["a"]
bits = [0, -1]
[[faults]]
target = "biases"
kind = "stuck_at_1"
count = 5
[[faults]]
kind = "bit_flip"
rate_factor = 2
bit_factors = [0, 1]
spare = ["b"]
[[faults]]
bit_rates = [0.0, 0.1]
[[faults]]
target = "activations"
shared_buffer = false
[protection]
code = "secded"
zero_detected = true
hardened_bits = 2
clip = "golden"
clip_share = 0.5
)");
  EXPECT_EQ(model.encoding, Encoding::kGray);
  EXPECT_EQ(model.array, (ArrayGeometry{64, 32, 2, 9, ArrayMapping::kLinear}));
  ASSERT_EQ(model.sources.size(), 5u);
  const FaultSource& words = model.sources[0];
  EXPECT_EQ(words.unit, FaultUnit::kWord);
  EXPECT_EQ(words.kinds, (KindShares{0, 0.25, 0.75}));
  EXPECT_EQ(words.rate, 1e-3);
  EXPECT_EQ(words.length, 3);
  EXPECT_TRUE(words.scattered);
  EXPECT_EQ(words.layers, std::vector<std::string>{"a"});
  EXPECT_EQ(words.bits, (std::vector<int>{0, -1}));
  EXPECT_EQ(model.sources[1].target, FaultTarget::kBiases);
  EXPECT_EQ(model.sources[1].count, 5);
  EXPECT_EQ(model.sources[2].rate_factor, 2);
  EXPECT_EQ(model.sources[2].bit_factors, (std::vector<double>{0, 1}));
  EXPECT_EQ(model.sources[2].spare, std::vector<std::string>{"b"});
  EXPECT_EQ(model.sources[3].rate, 1.0);
  EXPECT_EQ(model.sources[3].bit_factors, (std::vector<double>{0, 0.1}));
  EXPECT_TRUE(model.sources[3].follows_kind);
  EXPECT_FALSE(model.sources[4].shared_buffer);
  EXPECT_EQ(model.protection, (Protection{2, CheckCode::kSecded, true, true, 0.5}));
}

TEST(FaultConfig, NamesWhatIsWrongOrContradictory) {
  EXPECT_THAT(error_of("[[faults]]\nrate = 1.5"), HasSubstr("plan.toml:2: faults.0.rate"));
  EXPECT_THAT(error_of("[[faults]]\nrate = 0.1\ncount = 3"), HasSubstr("contradict"));
  EXPECT_THAT(error_of("[[faults]]\nrate = 0.1\nbit_rates = [0.1]"), HasSubstr("contradicts"));
  EXPECT_THAT(error_of("[[faults]]\nrate = 0.1\nrate_factor = 2"), HasSubstr("contradict"));
  EXPECT_THAT(error_of("[[faults]]\ncount = 3\nrate_factor = 2"), HasSubstr("does not use"));
  EXPECT_THAT(error_of("[[faults]]\ntarget = \"activations\"\nkind = \"bit_flip\"\n"
                       "shared_buffer = false"),
              HasSubstr("plan.toml:4: faults.0.shared_buffer: is for stuck-at faults"));
  EXPECT_THAT(error_of("[[faults]]\nkind = \"bit_flip\"\nshares = {bit_flip = 1}"),
              HasSubstr("plan.toml:2: faults.0.kind: contradicts shares"));
  EXPECT_THAT(error_of("[[faults]]\nshares = {bit_flip = 0.5}"), HasSubstr("sum to 1, got 0.5"));
  EXPECT_THAT(error_of("[[faults]]\nunit = \"row\""), HasSubstr("need the geometry"));
  EXPECT_THAT(error_of("[[faults]]\nunit = \"list\""), HasSubstr("needs the file"));
  EXPECT_THAT(error_of("[[faults]]\nrates = 0.1"), HasSubstr("did you mean 'faults.0.rate'"));
  EXPECT_THAT(error_of("[faults]\nrate = 0.1"), HasSubstr("faults: is a list of tables"));
  EXPECT_THAT(error_of("[[faults]]\nlength = 3"), HasSubstr("unknown key 'faults.0.length'"));
  EXPECT_THAT(error_of("[protection]\ncode = \"ecc\""), HasSubstr("none, parity, secded"));
  EXPECT_THAT(error_of("[protection]\nzero_detected = true"), HasSubstr("is for secded"));
  EXPECT_THAT(error_of("[memory]\nencoding = \"grey\""), HasSubstr("must be one of"));
}

TEST(FaultConfig, FindsListsBesideThePlan) {
  const std::filesystem::path folder = testing::TempDir();
  write_file_atomically(folder / "chip.csv", "layer,element,bit,kind\nfc,7,7,bit_flip\n");
  const std::string toml = "[[faults]]\nunit = \"list\"\nfile = \"chip.csv\"";
  const FaultModel model = read(toml, folder.string());
  ASSERT_NE(model.sources[0].list, nullptr);
  EXPECT_EQ(model.sources[0].list->faults.size(), 1u);
  EXPECT_FALSE(model.follows_rate());
}

TEST(FaultJson, IsEqualForEqualModelsAndTellsOthersApart) {
  const std::string plain = to_json(read("")).dump();
  EXPECT_EQ(to_json(read("[memory]\nencoding = \"twos_complement\"\n[[faults]]")).dump(), plain);
  for (const char* other :
       {"[[faults]]\nrate_factor = 2", "[[faults]]\nkind = \"bit_flip\"", "[[faults]]\nbits = [1]",
        "[[faults]]\nspare = [\"a\"]", "[[faults]]\n[[faults]]", "[protection]\nhardened_bits = 1",
        "[memory]\nencoding = \"gray\"", "[memory.array]\nrows = 3",
        "[[faults]]\ntarget = \"biases\"", "[[faults]]\nunit = \"burst\""}) {
    EXPECT_NE(to_json(read(other)).dump(), plain) << other;
  }
}

TEST(FaultJson, TellsTheSmallestSettingsApart) {
  const std::string level = "[[faults]]\nunit = \"level\"\n";
  for (const auto& [some, other] : std::vector<std::pair<std::string, std::string>>{
           {level, level + "drift_time = 1.5\ndrift_exponent = 0.01\n"},
           {level + "drift_time = 1.5\ndrift_exponent = 0.01\n",
            level + "drift_time = 1.75\ndrift_exponent = 0.01\n"},
           {level, level + "read_noise = 0.001\n"}}) {
    EXPECT_NE(to_json(read(some)).dump(), to_json(read(other)).dump()) << other;
  }
}

TEST(Describe, NamesOneHardenedBit) {
  EXPECT_NE(describe(read("[protection]\nhardened_bits = 1")), describe(read("")));
}

TEST(FaultJson, KnowsListsByTheirContent) {
  const std::filesystem::path folder = testing::TempDir();
  const auto json = [&](const std::string& name, const std::string& defects) {
    write_file_atomically(folder / name, "layer,element,bit,kind\n" + defects);
    return to_json(read("[[faults]]\nunit = \"list\"\nfile = \"" + name + "\"", folder.string()))
        .dump();
  };
  EXPECT_EQ(json("one.csv", "fc,7,7,bit_flip\n"), json("two.csv", "fc,7,7,bit_flip\n"));
  EXPECT_NE(json("one.csv", "fc,7,7,bit_flip\n"), json("two.csv", "fc,7,6,bit_flip\n"));
}

TEST(Describe, NamesSourcesEncodingAndProtection) {
  EXPECT_EQ(describe(read("")), "the plan's kind in weights at the plan's rate; twos_complement");
  EXPECT_EQ(describe(read("[[faults]]\nkind = \"stuck_at_0\"\nrate = 0.5\nlayers = [\"a\"]\n"
                          "[protection]\ncode = \"secded\"")),
            "stuck_at_0 in weights at 0.5 a; twos_complement; secded");
  EXPECT_EQ(describe(read("bits = [-1, 0]\nspare = \"b\"")),
            "the plan's kind in weights at the plan's rate not:b bit:-1 bit:0; twos_complement");
}

/// Both ends of every number's range are taken, what is beyond is refused by its key.
TEST(FaultConfig, EveryNumberHasItsRange) {
  struct Bounds {
    const char* before;
    const char* key;
    double least;
    double most;
    bool whole = false;
  };
  const char* const source = "[[faults]]\n";
  const char* const level = "[[faults]]\nunit = \"level\"\nrate = 0.1\n";
  const char* const drifts = "[[faults]]\nunit = \"level\"\nrate = 0.1\ndrift_time = 9\n";
  const char* const array = "[memory.array]\n";
  for (const Bounds& bounds :
       {Bounds{source, "rate", 0, 1}, Bounds{source, "rate_factor", 0, 1e12},
        Bounds{source, "rate_0_to_1", 0, 1}, Bounds{level, "drift_time", 1, 1e15},
        Bounds{drifts, "drift_exponent", -1, 1}, Bounds{drifts, "drift_spread", 0, 1},
        Bounds{level, "read_noise", 0, 1}, Bounds{array, "rows", 1, 1 << 24, true},
        Bounds{array, "columns", 1, 1 << 24, true}, Bounds{array, "bits_per_cell", 1, 8, true},
        Bounds{"[protection]\n", "hardened_bits", 0, 8, true},
        Bounds{"[[faults]]\nunit = \"burst\"\n", "length", 1, 1 << 20, true}}) {
    const auto with = [&](double value) {
      const std::string number =
          bounds.whole ? std::to_string(static_cast<int64_t>(value)) : std::to_string(value);
      return error_of(detail::concat(bounds.before, bounds.key, " = ", number, "\n"));
    };
    const std::string named = detail::concat(bounds.key, ": must be in [");
    EXPECT_THAT(with(bounds.least), testing::Not(HasSubstr(named)));
    EXPECT_THAT(with(bounds.most), testing::Not(HasSubstr(named)));
    const double step = bounds.whole ? 1 : 0.001 * std::max(1.0, bounds.most);
    EXPECT_THAT(with(bounds.least - step), HasSubstr(named)) << bounds.least - step;
    EXPECT_THAT(with(bounds.most + step), HasSubstr(named)) << bounds.most + step;
  }
}

}  // namespace
}  // namespace flatenn::fault
