#include "flatenn/base/shell.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>

namespace flatenn {
namespace {

std::string what_a_shell_reads(const std::string& word) {
  FILE* const shell = ::popen(("printf %s " + word).c_str(), "r");
  std::array<char, 256> got{};
  const size_t size = std::fread(got.data(), 1, got.size(), shell);
  ::pclose(shell);
  return {got.data(), size};
}

TEST(ShellWord, LeavesPlainWordsAlone) {
  for (const char* word : {"--set", "train.epochs=3", "runs/a-b_c.onnx", "0.1,0.2", "größe"}) {
    EXPECT_EQ(shell_word(word), word);
  }
}

TEST(ShellWord, GivesBackEveryWordFromAShell) {
  for (const char* word : {"", "a b", "it's", "'", "$HOME `id` $(id)", "a\"b\\",
                           "x;y&z|#~*?[]{}<>!", "two\nlines", "tab\there", "größe ok"}) {
    EXPECT_EQ(what_a_shell_reads(shell_word(word)), word);
  }
}

}  // namespace
}  // namespace flatenn
