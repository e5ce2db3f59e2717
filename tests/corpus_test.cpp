#include "corpus.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/reference.h"
#include "flatenn/base/error.h"
#include "flatenn/engine/engine.h"
#include "flatenn/interop/onnx.h"
#include "flatenn/net/content_hash.h"

/// Networks as other tools write them (tests/corpus), beside what those tools' runtimes compute.
namespace flatenn {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kCorpus = corpus::kFolder;
using corpus::gunzip;
using corpus::read_json;
using corpus::values;

/// A runtime computes between DequantizeLinear and QuantizeLinear in float32: sums that lie within
/// its rounding of a tie may become the code beside ours (share of a tensor's codes, and at least
/// one). Layers are compared one by one, each fed with the runtime's codes.
constexpr double kMostTies = 0.005;
/// Averages of four codes at the scale of their input: a quarter of them are exact ties, which
/// float32 decides by the roundings before.
constexpr double kMostTiesOfAverages = 0.05;

struct Case {
  std::string name;
  std::string file;
  bool accepted = true;
  std::string refuse_word;
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const json& entry : read_json(kCorpus / "manifest.json")) {
    const std::string file = entry["file"];
    if (entry.contains("calibration") || !file.ends_with(".onnx")) continue;
    result.push_back({entry["name"], file, entry["expect"] == "ok", entry["refuse_word"]});
  }
  return result;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

class Corpus : public ::testing::TestWithParam<Case> {};

struct Comparison {
  int64_t differ = 0;
  int most = 0;
};

Comparison compare(const std::vector<int16_t>& got, const std::vector<int16_t>& expected) {
  Comparison result;
  for (size_t i = 0; i < got.size(); ++i) {
    const int difference = std::abs(got[i] - expected[i]);
    result.differ += difference != 0;
    result.most = std::max(result.most, difference);
  }
  return result;
}

/// An activation's codes in the runtime, CHW: stored as codes or, by QONNX's tools, as the reals
/// that they stand for. Empty where they are no such codes.
std::vector<int16_t> runtime_codes(const net::Activation& activation, const json& tensor,
                                   const std::string& bytes) {
  const std::vector<float> stored = values(tensor, bytes);
  std::vector<int16_t> codes;
  for (const float value : stored) {
    const float code = tensor["dtype"] == "float32"
                           ? value / activation.scale + static_cast<float>(activation.zero_point)
                           : value;
    if (std::abs(code - std::nearbyint(code)) > 0.01F) return {};
    codes.push_back(static_cast<int16_t>(std::nearbyint(code)));
  }
  const std::vector<int64_t> shape = tensor["shape"];
  const net::Shape& own = activation.shape;
  const int64_t images = shape.front();
  if (std::ssize(codes) != images * own.elements()) return {};
  const bool channels_last = shape.size() == 4 && shape[3] == own.channels &&
                             shape[1] == own.height && shape[1] != own.channels;
  if (!channels_last) return codes;
  std::vector<int16_t> planes(codes.size());
  const int64_t plane = own.height * own.width;
  for (int64_t i = 0; i < std::ssize(codes); ++i) {
    const int64_t image = i / own.elements();
    const int64_t pixel = i % own.elements() / own.channels;
    const int64_t at = image * own.elements() + i % own.channels * plane + pixel;
    planes[static_cast<size_t>(at)] = codes[static_cast<size_t>(i)];
  }
  return planes;
}

/// The runtime's codes of every activation that both know by name.
std::map<int64_t, std::vector<int16_t>> shared_codes(const net::Network& network,
                                                     const json& expected,
                                                     const std::string& bytes) {
  std::map<int64_t, std::vector<int16_t>> result;
  for (const json& tensor : expected["tensors"]) {
    for (int64_t a = 1; a < std::ssize(network.activations); ++a) {
      const net::Activation& activation = network.activations[static_cast<size_t>(a)];
      const std::string& own = activation.name;
      const bool named = own == tensor["name"].get<std::string>() ||
                         own + ":codes" == tensor["name"].get<std::string>();
      if (!named || activation.is_float) continue;
      std::vector<int16_t> codes = runtime_codes(activation, tensor, bytes);
      if (!codes.empty()) result[a] = std::move(codes);
    }
  }
  return result;
}

bool averages(const net::Network& network, int64_t activation) {
  return std::any_of(network.layers.begin(), network.layers.end(), [&](const net::Layer& layer) {
    return layer.kind == net::LayerKind::kAvgPool && layer.dst == activation;
  });
}

/// Biases that a file holds in float, or that batch norm makes, are rounded to whole units of a
/// layer's sums, half a unit at most: how much of the layer's output that is, in its own steps
/// (floats: in themselves). 0 where import said that the layer is exact.
double bias_rounding(const net::Network& network, int64_t activation,
                     const std::vector<interop::ImportedNode>& notes) {
  double most = 0;
  for (const net::Layer& layer : network.layers) {
    if (layer.dst != activation || !layer.multiplies()) continue;
    const std::string& own =
        layer.twin < 0 ? layer.name : network.layers[static_cast<size_t>(layer.twin)].name;
    const bool rounded = std::any_of(notes.begin(), notes.end(), [&](const auto& note) {
      return !note.why.empty() && (note.name == own || note.became.ends_with(" of " + own));
    });
    if (!rounded) continue;
    for (const float multiplier : net::multipliers(network, layer)) {
      most = std::max(most, 0.5 * std::abs(static_cast<double>(multiplier)));
    }
  }
  return most;
}

void expect_ties_alone(const net::Network& network, int64_t index, const std::vector<int16_t>& own,
                       const std::vector<int16_t>& runtime, double rounding) {
  const Comparison found = compare(own, runtime);
  // A code differs where half a step lies within the rounding: on either side of it.
  const double share = (averages(network, index) ? kMostTiesOfAverages : kMostTies) + 2 * rounding;
  EXPECT_TRUE(static_cast<double>(found.differ) <= share * static_cast<double>(own.size()) + 1 &&
              found.most <= 1 + static_cast<int>(rounding))
      << network.activations[static_cast<size_t>(index)].name << ": " << found.differ << " of "
      << own.size() << " codes differ, by up to " << found.most;
}

/// Where the last layer gives floats: against the runtime's, beside their largest.
void expect_close_logits(const std::vector<float>& logits, const std::vector<float>& theirs,
                         double rounding) {
  ASSERT_EQ(theirs.size(), logits.size());
  float most = 0;
  for (const float value : theirs) most = std::max(most, std::abs(value));
  for (size_t i = 0; i < logits.size(); ++i) {
    EXPECT_NEAR(logits[i], theirs[i], 1e-4 * static_cast<double>(most) + rounding) << i;
  }
}

/// The class of the highest logit; equal to the runtime's unless its two highest are as close as
/// the roundings.
void expect_top1(const std::vector<float>& logits, const std::vector<float>& theirs,
                 int64_t classes, double rounding) {
  for (size_t first = 0; first < logits.size(); first += static_cast<size_t>(classes)) {
    const auto own = std::max_element(logits.begin() + static_cast<int64_t>(first),
                                      logits.begin() + static_cast<int64_t>(first) + classes) -
                     logits.begin();
    const float best = *std::max_element(theirs.begin() + static_cast<int64_t>(first),
                                         theirs.begin() + static_cast<int64_t>(first) + classes);
    EXPECT_LE(best - theirs[static_cast<size_t>(own)], 2 * rounding) << "image at " << first;
  }
}

/// Every tensor of codes that both know by name, the logits, and top-1.
void expect_same_codes(const net::Network& given, const std::string& name,
                       const std::vector<interop::ImportedNode>& notes) {
  const json expected = read_json(kCorpus / "expected" / (name + ".json"));
  const std::string bytes = gunzip(kCorpus / "expected" / (name + ".bin"));
  auto network = std::make_shared<const net::Network>(given);
  const auto codes = corpus::image_codes(*network, expected["tensors"][0]["shape"],
                                         values(expected["tensors"][0], bytes));
  engine::ReferenceEngine engine(network, codes, 1);
  std::vector<float> logits(static_cast<size_t>(codes->count * network->classes()));
  engine::Job job{.logits = logits};
  const auto theirs = shared_codes(*network, expected, bytes);
  const engine::Trace trace = engine.trace(job, theirs);
  for (const auto& [index, runtime] : theirs) {
    expect_ties_alone(*network, index, trace.codes[static_cast<size_t>(index)], runtime,
                      bias_rounding(*network, index, notes));
  }
  EXPECT_GE(std::ssize(theirs), 1) << "no tensor could be compared";
  const json& last = expected["tensors"].back();
  const std::vector<float> answers = values(last, bytes);
  if (std::ssize(answers) == codes->count) {  // the class alone
    for (int64_t i = 0; i < codes->count; ++i) {
      const auto first = trace.logits.begin() + i * network->classes();
      const auto own = std::max_element(first, first + network->classes()) - first;
      EXPECT_EQ(static_cast<float>(own), answers[static_cast<size_t>(i)]);
    }
    return;
  }
  ASSERT_EQ(std::ssize(answers), codes->count * network->classes());
  const bool are_logits = network->logits().is_float && last["name"] == network->logits().name;
  const double rounding =
      are_logits ? bias_rounding(*network, network->layers.back().dst, notes) : 0;
  if (are_logits) expect_close_logits(trace.logits, answers, rounding);
  expect_top1(trace.logits, answers, network->classes(), rounding);
}

TEST_P(Corpus, GivesTheRuntimesCodesOrAClearRefusal) {
  const Case& one = GetParam();
  const fs::path path = kCorpus / "models" / one.file;
  if (!one.accepted) {
    try {
      interop::read_onnx(path);
      FAIL() << "was accepted";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      EXPECT_NE(lower(error.what()).find(lower(one.refuse_word)), std::string::npos)
          << error.what();
    }
    return;
  }
  std::vector<interop::ImportedNode> notes;
  const net::Network network = interop::read_onnx(path, {}, &notes);
  expect_same_codes(network, one.name, notes);
}

/// What import writes is the network that it read, in every form.
TEST_P(Corpus, SurvivesWritingAndReading) {
  const Case& one = GetParam();
  if (!one.accepted) GTEST_SKIP() << "a file to refuse";
  const net::Network network = interop::read_onnx(kCorpus / "models" / one.file);
  const fs::path copy = fs::temp_directory_path() / ("flatenn_corpus_" + one.name + ".onnx");
  for (const interop::OnnxForm form : corpus::kForms) {
    interop::write_onnx(network, copy, form);
    const net::Network again = interop::read_onnx(copy);
    fs::remove(copy);
    EXPECT_EQ(net::content_hash(again), net::content_hash(network))
        << "form " << static_cast<int>(form);
  }
}

INSTANTIATE_TEST_SUITE_P(Files, Corpus, ::testing::ValuesIn(cases()),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace flatenn
