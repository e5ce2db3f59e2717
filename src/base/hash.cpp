#include "flatenn/base/hash.h"

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "flatenn/base/error.h"

namespace flatenn {

struct Hasher::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Hasher::Hasher(HashKind kind) : state_(std::make_unique<State>()) {
  const EVP_MD* algorithm = kind == HashKind::kMd5 ? EVP_md5() : EVP_sha256();
  FLATENN_CHECK(EVP_DigestInit_ex(state_->context, algorithm, nullptr) == 1,
                "Hasher: this OpenSSL refuses ", kind == HashKind::kMd5 ? "MD5" : "SHA-256");
}

Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(std::span<const std::byte> bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

void Hasher::update(const std::string& text) { update(std::as_bytes(std::span(text))); }

std::string Hasher::hex_digest() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(state_->context, digest.data(), &size);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (size_t i = 0; i < size; ++i) {
    hex += kDigits[digest[i] >> 4];
    hex += kDigits[digest[i] & 15];
  }
  return hex;
}

std::string sha256_hex(const std::string& text) {
  Hasher hasher;
  hasher.update(text);
  return hasher.hex_digest();
}

std::string hash_file(const std::filesystem::path& path, HashKind kind) {
  std::ifstream in(path, std::ios::binary);
  FLATENN_CHECK(in, path.string(), ": cannot be opened: ", std::strerror(errno));
  Hasher hasher(kind);
  std::vector<char> buffer(1 << 20);
  while (in) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    hasher.update(std::as_bytes(std::span(buffer.data(), static_cast<size_t>(in.gcount()))));
  }
  FLATENN_CHECK(in.eof(), path.string(), ": read failed: ", std::strerror(errno));
  return hasher.hex_digest();
}

}  // namespace flatenn
