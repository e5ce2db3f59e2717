#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "corpus.h"
#include "engine/reference.h"
#include "flatenn/base/error.h"
#include "flatenn/engine/engine.h"
#include "flatenn/interop/model.h"
#include "flatenn/net/content_hash.h"

/// TensorFlow Lite files (tests/corpus) beside every code that the interpreter's reference kernels
/// compute: all are equal, without a tolerance.
namespace flatenn {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Case {
  std::string name;
  bool accepted = true;
  std::string refuse_word;
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const json& entry : corpus::read_json(corpus::kFolder / "manifest.json")) {
    if (!std::string(entry["file"]).ends_with(".tflite")) continue;
    result.push_back({entry["name"], entry["expect"] == "ok", entry["refuse_word"]});
  }
  return result;
}

fs::path path_of(const Case& one) { return corpus::kFolder / "models" / (one.name + ".tflite"); }

/// A stored tensor, channels first as activations are; [N, T, C] has rows alone.
std::vector<float> channels_first(const json& tensor, const std::vector<float>& stored) {
  const std::vector<int64_t> shape = tensor["shape"];
  const int64_t channels = shape.back();
  int64_t plane = 1;
  for (size_t i = 1; i + 1 < shape.size(); ++i) plane *= shape[i];
  std::vector<float> result(stored.size());
  for (int64_t i = 0; i < std::ssize(stored); ++i) {
    const int64_t image = i / (channels * plane);
    const int64_t c = i % channels;
    const int64_t p = i / channels % plane;
    result[static_cast<size_t>((image * channels + c) * plane + p)] =
        stored[static_cast<size_t>(i)];
  }
  return result;
}

std::shared_ptr<const engine::ImageCodes> images(const net::Network& network, const json& tensor,
                                                 const std::string& bytes) {
  auto result = std::make_shared<engine::ImageCodes>();
  const net::Activation& input = network.input();
  result->shape = input.shape;
  result->count = tensor["shape"][0];
  for (const float value : channels_first(tensor, corpus::values(tensor, bytes))) {
    float code = value;
    if (tensor["dtype"] == "float32") {
      code = std::round(value / input.scale) + static_cast<float>(input.zero_point);
      code = std::clamp(code, static_cast<float>(input.min_code()),
                        static_cast<float>(input.max_code()));
    } else if (tensor["dtype"] == "uint8" && input.is_signed) {
      code -= 128;  // QUANTIZE to int8 became one with the image
    }
    result->codes.push_back(static_cast<int8_t>(static_cast<int>(code)));
  }
  return result;
}

class TfliteCorpus : public ::testing::TestWithParam<Case> {};

void expect_codes(const net::Network& given, const std::string& name) {
  const json expected = corpus::read_json(corpus::kFolder / "expected" / (name + ".json"));
  const std::string bytes = corpus::gunzip(corpus::kFolder / "expected" / (name + ".bin"));
  auto network = std::make_shared<const net::Network>(given);
  const auto codes = images(*network, expected["tensors"][0], bytes);
  engine::ReferenceEngine engine(network, codes, 1);
  std::vector<float> logits(static_cast<size_t>(codes->count * network->classes()));
  engine::Job job{.logits = logits};
  const engine::Trace trace = engine.trace(job);
  std::map<std::string, json> theirs;
  for (const json& tensor : expected["tensors"]) {
    const std::string full = tensor["name"];
    theirs.emplace(full.substr(0, full.find(';')), tensor);
  }
  for (size_t a = 1; a < network->activations.size(); ++a) {
    const std::string& own = network->activations[a].name;
    // Steps of our own, between theirs.
    if (own.find("/move") != own.npos || own.find("/rescale") != own.npos) continue;
    ASSERT_TRUE(theirs.contains(own)) << own;
    const json& tensor = theirs[own];
    const std::vector<float> want = channels_first(tensor, corpus::values(tensor, bytes));
    ASSERT_EQ(trace.codes[a].size(), want.size()) << own;
    int64_t differ = 0;
    for (size_t i = 0; i < want.size(); ++i) {
      differ += static_cast<float>(trace.codes[a][i]) != want[i];
    }
    EXPECT_EQ(differ, 0) << own << ": of " << want.size() << " codes";
  }
  engine.run({&job, 1});
  std::vector<float> chosen(logits.size());
  engine::Job other{.logits = chosen};
  const auto fast = engine::make_engine(network, codes, {.kind = engine::EngineKind::kCpu});
  fast->run({&other, 1});
  EXPECT_EQ(chosen, logits) << fast->name() << " gives others";
  for (int64_t i = 0; i < codes->count; ++i) {
    const auto first = logits.begin() + i * network->classes();
    EXPECT_EQ(std::max_element(first, first + network->classes()) - first,
              expected["top1"][static_cast<size_t>(i)]);
  }
}

TEST_P(TfliteCorpus, GivesTheInterpretersCodesOrAClearRefusal) {
  const Case& one = GetParam();
  if (one.accepted) return expect_codes(interop::read_model(path_of(one)), one.name);
  try {
    interop::read_model(path_of(one));
    FAIL() << "was accepted";
  } catch (const Error& error) {
    const std::string what = error.what();
    EXPECT_NE(what.find(path_of(one).string()), std::string::npos) << what;
    EXPECT_NE(what.find(one.refuse_word, path_of(one).string().size()), std::string::npos) << what;
    EXPECT_EQ(what.find('\n'), std::string::npos) << what;
  }
}

/// What import writes gives the same codes again, fixed point and all.
TEST_P(TfliteCorpus, SurvivesWritingAndReading) {
  const Case& one = GetParam();
  if (!one.accepted) GTEST_SKIP() << "a file to refuse";
  const net::Network network = interop::read_model(path_of(one));
  const fs::path copy = fs::temp_directory_path() / ("flatenn_corpus_" + one.name + ".onnx");
  for (const interop::OnnxForm form : corpus::kForms) {
    interop::write_onnx(network, copy, form);
    const net::Network again = interop::read_model(copy);
    fs::remove(copy);
    EXPECT_EQ(net::content_hash(again), net::content_hash(network))
        << "form " << static_cast<int>(form);
    if (form == corpus::kForms[0]) expect_codes(again, one.name);
  }
}

INSTANTIATE_TEST_SUITE_P(Files, TfliteCorpus, ::testing::ValuesIn(cases()),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace flatenn
