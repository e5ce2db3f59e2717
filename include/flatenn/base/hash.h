#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace flatenn {

enum class HashKind { kMd5, kSha256 };

/// Hash of a stream of bytes as lower-case hexadecimal digits.
class Hasher {
 public:
  explicit Hasher(HashKind kind = HashKind::kSha256);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void update(std::span<const std::byte> bytes);
  void update(const std::string& text);  ///< Its bytes, without a terminator.
  std::string hex_digest();              ///< Ends the stream; call once.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(const std::string& text);
/// Throws Error naming the path where the file cannot be read.
std::string hash_file(const std::filesystem::path& path, HashKind kind = HashKind::kSha256);

}  // namespace flatenn
