#include "flatenn/interop/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/temporary_folder.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"

namespace flatenn::interop {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string with_header(const std::string& header, const std::string& data) {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(header.size() >> (8 * i));
  return bytes + header + data;
}

std::string error_of(const std::string& bytes, const std::string& name = "net.safetensors") {
  const TemporaryFolder folder;
  write_file_atomically(folder / name, bytes);
  try {
    read_safetensors(folder / name);
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    EXPECT_THAT(error.what(), HasSubstr(name));
    return error.what();
  }
  return "no error";
}

/// As safetensors 0.8.0 for Python writes w = int8 [[1, -2, 3]], s = float32 [0.5, -0.25],
/// h = float16 [1.5], n = int64 7, metadata {"format": "pt"}.
TEST(ReadSafetensors, TakesWhatThePythonPackageWrites) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
      R"("s":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},)"
      R"("h":{"dtype":"F16","shape":[1],"data_offsets":[16,18]},)"
      R"("w":{"dtype":"I8","shape":[1,3],"data_offsets":[18,21]}}       )";
  const std::string data("\x07\0\0\0\0\0\0\0\0\0\0?\0\0\x80\xbe\0>\x01\xfe\x03", 21);
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", with_header(header, data));
  const TensorFile file = read_safetensors(folder / "a");
  EXPECT_EQ(file.metadata.at("format"), "pt");
  ASSERT_EQ(file.tensors.size(), 4U);
  EXPECT_THAT(file.find("w")->integers(), ElementsAre(1, -2, 3));
  EXPECT_THAT(file.find("w")->shape, ElementsAre(1, 3));
  EXPECT_THAT(file.find("s")->floats(), ElementsAre(0.5F, -0.25F));
  EXPECT_THAT(file.find("h")->floats(), ElementsAre(1.5F));
  EXPECT_THAT(file.find("n")->integers(), ElementsAre(7));
  EXPECT_EQ(file.find("x"), nullptr);
}

/// Values from IEEE 754's binary16 and from bfloat16 as the upper half of binary32.
TEST(StoredTensor, WidensHalves) {
  StoredTensor tensor{.name = "h", .type = TensorType::kF16, .shape = {6}};
  for (const int bits : {0x3C00, 0xC000, 0x0001, 0x7BFF, 0x7C00, 0x8000}) {
    tensor.bytes += static_cast<char>(bits & 255);
    tensor.bytes += static_cast<char>(bits >> 8);
  }
  EXPECT_THAT(tensor.floats(), ElementsAre(1, -2, 0x1p-24F, 65504, INFINITY, 0));
  EXPECT_TRUE(std::signbit(tensor.floats().back()));
  tensor.type = TensorType::kBF16;
  tensor.bytes = std::string("\x80\x3f\x49\x40", 4);
  EXPECT_THAT(tensor.floats(), ElementsAre(1, 3.140625F));
}

TEST(StoredTensor, RefusesTheWrongKindOfNumbers) {
  EXPECT_THROW(stored_floats("a", {1}, {1}).integers(), Error);
  EXPECT_THROW(stored_codes("a", {1}, {1}).floats(), Error);
  const StoredTensor large{
      .name = "u", .type = TensorType::kU64, .shape = {1}, .bytes = std::string(8, '\xff')};
  EXPECT_THROW(large.integers(), Error);
}

TEST(WriteSafetensors, KeepsEveryTypeAndItsBytes) {
  TensorFile file{.metadata = {{"name", "\"quoted\" é"}}};
  for (int i = 0; i <= static_cast<int>(TensorType::kF64); ++i) {
    StoredTensor tensor{.name = "t" + std::to_string(i), .type = static_cast<TensorType>(i)};
    tensor.shape = {3, 1};
    for (int64_t k = 0; k < 3 * type_bytes(tensor.type); ++k) {
      tensor.bytes += static_cast<char>(k * 7 + i);
    }
    file.tensors.push_back(tensor);
  }
  file.tensors.push_back({.name = "empty", .type = TensorType::kF32, .shape = {0, 4}});
  const TemporaryFolder folder;
  write_safetensors(file, folder / "a");
  const TensorFile back = read_safetensors(folder / "a");
  EXPECT_EQ(back.metadata, file.metadata);
  ASSERT_EQ(back.tensors.size(), file.tensors.size());
  for (const StoredTensor& tensor : file.tensors) {
    const StoredTensor* found = back.find(tensor.name);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->type, tensor.type);
    EXPECT_EQ(found->shape, tensor.shape);
    EXPECT_EQ(found->bytes, tensor.bytes);
  }
  std::reverse(file.tensors.begin(), file.tensors.end());
  write_safetensors(file, folder / "b");
  EXPECT_EQ(read_file(folder / "a"), read_file(folder / "b"));
  file.tensors.push_back(file.tensors.front());
  EXPECT_THROW(write_safetensors(file, folder / "c"), Error);
  file.tensors = {{.name = "a", .type = TensorType::kF32, .shape = {2}, .bytes = "abc"}};
  EXPECT_THROW(write_safetensors(file, folder / "c"), Error);
}

struct BadFile {
  std::string name;
  std::string header;
  std::string data;
  std::string message;
};

class ReadBadSafetensors : public ::testing::TestWithParam<BadFile> {};

TEST_P(ReadBadSafetensors, SaysWhatIsWrong) {
  const BadFile& bad = GetParam();
  EXPECT_THAT(error_of(with_header(bad.header, bad.data)), HasSubstr(bad.message));
}

constexpr const char* kTwoBytes = R"({"dtype":"I8","shape":[2],"data_offsets":[0,2]})";

const BadFile kBad[] = {
    {"NotJson", "{\"a\":", "", "its header is no JSON object"},
    {"NoObject", "[1, 2]", "", "its header is no JSON object"},
    {"NotUtf8", "{\"\xff\":1}", "", "its header is no JSON object"},
    {"Twice", detail::concat("{\"a\":", kTwoBytes, ",\"a\":", kTwoBytes, "}"), "ab",
     "names \"a\" twice"},
    {"TwiceInside", R"({"a":{"dtype":"I8","dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "ab",
     "names \"dtype\" twice"},
    {"Type", R"({"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}})", "ab",
     "tensor a: dtype \"F8_E4M3\" is not supported"},
    {"NoType", R"({"a":{"shape":[2],"data_offsets":[0,2]}})", "ab", "tensor a: expected a dtype"},
    {"NoShape", R"({"a":{"dtype":"I8","data_offsets":[0,2]}})", "ab", "tensor a: expected a shape"},
    {"NoOffsets", R"({"a":{"dtype":"I8","shape":[2]}})", "ab", "tensor a: expected data_offsets"},
    {"Entry", R"({"a":3})", "", "tensor a: is no object"},
    {"Backwards", R"({"a":{"dtype":"I8","shape":[2],"data_offsets":[2,0]}})", "ab", "are no range"},
    {"NegativeOffset", R"({"a":{"dtype":"I8","shape":[2],"data_offsets":[-2,0]}})", "ab",
     "are no range"},
    {"Behind", R"({"a":{"dtype":"I8","shape":[9],"data_offsets":[0,9]}})", "ab",
     "tensor a: ends at byte 9 of 2"},
    {"Shape", R"({"a":{"dtype":"I16","shape":[2],"data_offsets":[0,2]}})", "ab",
     "tensor a: I16 [2] takes 4 bytes, data_offsets give 2"},
    {"NegativeExtent", R"({"a":{"dtype":"I8","shape":[-2],"data_offsets":[0,2]}})", "ab",
     "extent -2 makes no sense"},
    {"Overflow", R"({"a":{"dtype":"I8","shape":[4294967296,4294967296],"data_offsets":[0,2]}})",
     "ab", "extent 4294967296 makes no sense"},
    {"Overlap",
     R"({"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},)"
     R"("b":{"dtype":"I8","shape":[2],"data_offsets":[1,3]}})",
     "abc", "tensor b: overlaps another one at byte 1"},
    {"Hole",
     R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},)"
     R"("b":{"dtype":"I8","shape":[1],"data_offsets":[2,3]}})",
     "abc", "tensor b: bytes 1 to 2 before it belong to no tensor"},
    {"Trailing", detail::concat("{\"a\":", kTwoBytes, "}"), "abcd",
     "2 bytes behind the last tensor"},
    {"Metadata", R"({"__metadata__":{"a":1}})", "", "__metadata__: \"a\" is no text"},
    {"MetadataList", R"({"__metadata__":[]})", "", "__metadata__ is no object"},
};

INSTANTIATE_TEST_SUITE_P(Files, ReadBadSafetensors, ::testing::ValuesIn(kBad),
                         [](const auto& one) { return one.param.name; });

TEST(ReadSafetensors, BoundsTheHeader) {
  EXPECT_THAT(error_of(""), HasSubstr("is no safetensors file"));
  EXPECT_THAT(error_of("1234567"), HasSubstr("is no safetensors file"));
  EXPECT_THAT(error_of(std::string(8, '\xff')), HasSubstr("its header would be"));
  const std::string whole = with_header(detail::concat("{\"a\":", kTwoBytes, "}"), "ab");
  EXPECT_EQ(error_of(whole), "no error");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(error_of(whole.substr(0, size)), "no error") << size;
  }
  EXPECT_THAT(error_of(with_header(std::string(100000, '['), "")), HasSubstr("no JSON object"));
}

TEST(ReadSafetensors, RefusesPicklesWithTheLineThatConvertsThem) {
  for (const std::string start : {"PK\x03\x04 zip", "\x80\x02} pickle"}) {
    const std::string error = error_of(start, "net.pt");
    EXPECT_THAT(error, HasSubstr("is a pickle, which can run code"));
    EXPECT_THAT(error, HasSubstr("python3 -c \"import torch; from safetensors.torch import"));
    EXPECT_THAT(error, HasSubstr("'net.safetensors')"));
  }
  EXPECT_THAT(error_of("PK\x03\x04 zip", "net.keras"), HasSubstr("import keras"));
  EXPECT_THAT(error_of("\x89HDF\r\n", "net.h5"), HasSubstr("import keras"));
}

}  // namespace
}  // namespace flatenn::interop
