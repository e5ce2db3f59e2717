#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/interop/model.h"
#include "flatenn/net/content_hash.h"
#include "interop/tflite_file.h"

/// Files of tests/corpus, read as others and broken in many ways; what they compute is compared
/// there.
namespace flatenn::interop {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

fs::path corpus(const std::string& name) {
  return fs::path(FLATENN_CORPUS) / "models" / (name + ".tflite");
}

class TfliteFile : public ::testing::Test {
 protected:
  /// One line that names the file, or a network.
  void read_or_refuse(const std::string& bytes) const {
    write(bytes);
    try {
      read_model(path_).validate();
    } catch (const Error& error) {
      const std::string what = error.what();
      EXPECT_THAT(what, HasSubstr(path_.string()));
      EXPECT_EQ(what.find('\n'), std::string::npos) << what;
    }
  }
  std::string refusal(const std::string& bytes) const {
    write(bytes);
    try {
      read_tflite(path_);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }
  ~TfliteFile() override { fs::remove(path_); }
  /// Thousands of files, so that none of them is written safely.
  void write(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary).write(bytes.data(), std::ssize(bytes));
  }

  const fs::path path_ =
      fs::temp_directory_path() /
      (std::string("flatenn_") + ::testing::UnitTest::GetInstance()->current_test_info()->name() +
       ".tflite");
};

/// `flatenn inspect <(zcat model.gz)`: what a pipe has given is gone.
TEST_F(TfliteFile, IsReadFromAPipeInOneGoAsOnnxIs) {
  for (const char* name : {"tflite_plain_int8.tflite", "qonnx_w4a4.onnx"}) {
    const fs::path original = fs::path(FLATENN_CORPUS) / "models" / name;
    fs::remove(path_);
    ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    std::thread writer([&] { write(read_file(original)); });
    const std::string got = net::content_hash(read_model(path_));
    writer.join();
    EXPECT_EQ(got, net::content_hash(read_model(original))) << name;
  }
}

TEST_F(TfliteFile, IsToldApartByItsContent) {
  const fs::path renamed = path_.string() + ".onnx";
  fs::copy_file(corpus("tflite_plain_int8"), renamed, fs::copy_options::overwrite_existing);
  std::vector<ImportedNode> notes;
  const net::Network network = read_model(renamed, {}, &notes);
  fs::remove(renamed);
  EXPECT_EQ(network.layers.size(), 6U);
  ASSERT_EQ(notes.size(), 7U);
  EXPECT_EQ(notes[0].op, "CONV_2D");
  EXPECT_EQ(notes[0].became, "convolution");
  EXPECT_EQ(notes[4].op, "RESHAPE");
  EXPECT_FALSE(network.is_plain());
}

TEST_F(TfliteFile, CutAnywhereIsRefused) {
  const std::string whole = read_file(corpus("tflite_plain_int8"));
  for (size_t size = 0; size < whole.size(); size += 37) {
    EXPECT_THAT(refusal(whole.substr(0, size)), HasSubstr(path_.string())) << size;
  }
}

/// Any byte may hold any value: offsets, lengths, types, extents, scales.
TEST_F(TfliteFile, AnyByteMayBeWrong) {
  for (const char* name : {"tflite_plain_uint8", "tflite_activations_int8", "tflite_plain_batch"}) {
    const std::string whole = read_file(corpus(name));
    std::mt19937 random(1);
    for (size_t at = 0; at < whole.size(); at += 1 + random() % 12) {
      std::string bytes = whole;
      const auto bit = static_cast<char>(1U << random() % 8);
      const auto any = static_cast<char>(random());
      bytes[at] = random() % 2 == 0 ? any : static_cast<char>(bytes[at] ^ bit);
      read_or_refuse(bytes);
    }
  }
}

/// Four bytes at once make offsets and extents of any size.
TEST_F(TfliteFile, AnyWordMayBeHuge) {
  const std::string whole = read_file(corpus("tflite_mobile_int8"));
  for (const uint32_t word : {0xffffffffU, 0x7fffffffU, 0x80000000U, 0x10000U, 0U}) {
    for (size_t at = 0; at + 4 <= whole.size(); at += 44) {
      std::string bytes = whole;
      bytes.replace(at, 4, reinterpret_cast<const char*>(&word), 4);
      read_or_refuse(bytes);
    }
  }
}

template <typename Change>
std::string changed(const std::string& name, const Change& change) {
  std::string bytes = read_file(corpus(name));
  change(*tflite::GetModel(bytes.data()));
  return bytes;
}

/// The list of a table's field, to be overwritten.
template <typename T>
T* mutable_data(const flatbuffers::Vector<T>* list) {
  return const_cast<T*>(list->data());
}

TEST_F(TfliteFile, NamesTheTensorWithABadScale) {
  for (const float scale : {0.0F, -1.0F, NAN, INFINITY}) {
    const std::string what = refusal(changed("tflite_plain_int8", [&](const tflite::Model& model) {
      const auto* tensors = model.subgraphs()->Get(0)->tensors();
      mutable_data(tensors->Get(0)->quantization()->scale())[0] = scale;
    }));
    EXPECT_THAT(what, HasSubstr("tensor image: scale")) << scale;
  }
}

TEST_F(TfliteFile, NamesTheTensorWithAZeroPointOutOfRange) {
  const std::string what = refusal(changed("tflite_plain_int8", [](const tflite::Model& model) {
    const auto* tensors = model.subgraphs()->Get(0)->tensors();
    mutable_data(tensors->Get(0)->quantization()->zero_point())[0] = 128;
  }));
  EXPECT_THAT(what, HasSubstr("tensor image: zero point 128 is no INT8 code"));
}

TEST_F(TfliteFile, RefusesAShapeThatIsNotWhatTheOperatorsMake) {
  const std::string what = refusal(changed("tflite_plain_int8", [](const tflite::Model& model) {
    const tflite::SubGraph& graph = *model.subgraphs()->Get(0);
    const auto pool = static_cast<uint32_t>(graph.operators()->Get(1)->outputs()->Get(0));
    mutable_data(graph.tensors()->Get(pool)->shape())[1] = 6;
  }));
  EXPECT_THAT(what, HasSubstr("(MAX_POOL_2D): writes 7x7x6 an image, but its output is 6x7x6"));
}

TEST_F(TfliteFile, RefusesATensorThatIsNotThere) {
  const std::string what = refusal(changed("tflite_plain_int8", [](const tflite::Model& model) {
    mutable_data(model.subgraphs()->Get(0)->operators()->Get(2)->inputs())[1] = 1000;
  }));
  EXPECT_THAT(what, HasSubstr("(CONV_2D): tensor 1000 of 17"));
}

/// Operators stand in the order in which they run, and each tensor has one writer.
TEST_F(TfliteFile, NamesTheOperatorOfACycle) {
  const auto operators = [](const tflite::Model& model) {
    return model.subgraphs()->Get(0)->operators();
  };
  const std::string own = refusal(changed("tflite_plain_int8", [&](const tflite::Model& model) {
    const tflite::Operator& conv = *operators(model)->Get(2);
    mutable_data(conv.inputs())[0] = conv.outputs()->Get(0);
  }));
  EXPECT_THAT(own, HasSubstr("(CONV_2D): reads functional_1/conv2d_1_2/Relu"));
  const std::string later = refusal(changed("tflite_plain_int8", [&](const tflite::Model& model) {
    mutable_data(operators(model)->Get(1)->inputs())[0] =
        operators(model)->Get(3)->outputs()->Get(0);
  }));
  EXPECT_THAT(later, HasSubstr("AvgPool, which nothing before it computed"));
}

TEST_F(TfliteFile, NamesTheOperatorThatWritesATensorAgain) {
  const std::string what = refusal(changed("tflite_plain_int8", [](const tflite::Model& model) {
    const auto* operators = model.subgraphs()->Get(0)->operators();
    mutable_data(operators->Get(2)->outputs())[0] = operators->Get(0)->outputs()->Get(0);
  }));
  EXPECT_THAT(what, HasSubstr("(CONV_2D): writes functional_1/conv2d_1/Relu"));
}

TEST_F(TfliteFile, NamesTheTensorOfGigabytes) {
  const std::string what = refusal(changed("tflite_plain_int8", [](const tflite::Model& model) {
    const auto* tensors = model.subgraphs()->Get(0)->tensors();
    const auto filter =
        static_cast<uint32_t>(model.subgraphs()->Get(0)->operators()->Get(0)->inputs()->Get(1));
    mutable_data(tensors->Get(filter)->shape())[0] = 1 << 30;
  }));
  EXPECT_THAT(what, HasSubstr("conv2d_1/convolution: has more than 2^31 elements"));
}

TEST_F(TfliteFile, WeightsFitTheWordsThatAreAskedFor) {
  EXPECT_THROW(read_tflite(corpus("tflite_plain_int8"), {.weight_bits = 4}), Error);
  EXPECT_EQ(read_tflite(corpus("tflite_plain_int8"), {.weight_bits = 8}).layers[0].weights.bits, 8);
}

/// Float ends show their range; it can also be said.
TEST_F(TfliteFile, KnowsWhatPixelsAre) {
  const net::ImageTransform shown = read_tflite(corpus("tflite_plain_float_ends")).image;
  EXPECT_TRUE(shown.raw_pixels && shown.half_away);
  EXPECT_EQ(shown.factor, (std::vector<float>{1.0F / 255.0F}));
  const net::ImageTransform said =
      read_tflite(corpus("tflite_plain_float_ends"), {.pixels = Pixels::kNormalized}).image;
  EXPECT_FALSE(said.raw_pixels);
  EXPECT_TRUE(said.factor.empty());
  const net::Network bytes = read_tflite(corpus("tflite_plain_int8"));
  EXPECT_EQ(bytes.image.factor, (std::vector<float>{bytes.input().scale}));
}

/// Another arithmetic is another network.
TEST_F(TfliteFile, FixedPointIsPartOfTheContent) {
  const net::Network network = read_tflite(corpus("tflite_plain_int8"));
  net::Network other = network;
  for (net::Layer& layer : other.layers) {
    if (layer.factors.empty()) continue;
    layer.factors[0].multiplier += 1;
    EXPECT_NE(net::content_hash(other), net::content_hash(network)) << layer.name;
    layer.factors[0].multiplier -= 1;
    layer.factors.clear();
    layer.requantization = net::Requantization::kFloat;
    EXPECT_NE(net::content_hash(other), net::content_hash(network)) << layer.name;
    other = network;
  }
}

}  // namespace
}  // namespace flatenn::interop
