#include "flatenn/base/hash.h"

#include <gtest/gtest.h>

#include "flatenn/base/error.h"

namespace flatenn {
namespace {

TEST(Hasher, GivesTheStandardsExamples) {
  // FIPS 180-2 appendix B.1 and RFC 1321 appendix A.5.
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Hasher md5(HashKind::kMd5);
  md5.update(std::string("message "));
  md5.update(std::string("digest"));
  EXPECT_EQ(md5.hex_digest(), "f96b697d7cb7938d525a2f31aaf161d0");
}

TEST(HashFile, NamesAFileThatIsNotThere) {
  try {
    hash_file("no/such/file");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("no/such/file"), std::string::npos);
  }
}

}  // namespace
}  // namespace flatenn
