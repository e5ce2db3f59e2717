#include "interop/reader_parts.h"

#include "flatenn/base/error.h"
#include "flatenn/base/utf8.h"

namespace flatenn::interop {
namespace {

void check_text(const std::string& text, const char* what) {
  FLATENN_CHECK(is_utf8(text), what, " that is not UTF-8 text");
}

}  // namespace

net::ImageTransform image_transform(Pixels pixels) {
  switch (pixels) {
    case Pixels::kBytes:
      return {.raw_pixels = true};
    case Pixels::kUnit:
      return {.raw_pixels = true, .factor = {1.0F / 255.0F}};
    case Pixels::kSymmetric:
      return {.raw_pixels = true, .factor = {1.0F / 127.5F}, .shift = {-1.0F}};
    default:
      return {};
  }
}

void check_texts(const net::Network& network) {
  check_text(network.name, "has a name");
  for (const auto& [key, value] : network.metadata) {
    check_text(key, "has metadata with a key");
    check_text(value, "has metadata with a value");
  }
  for (const net::Layer& layer : network.layers) check_text(layer.name, "has a layer with a name");
  for (const net::Activation& activation : network.activations) {
    check_text(activation.name, "has a tensor with a name");
  }
}

Error file_error(const std::filesystem::path& path, const Error& error) {
  constexpr size_t kMostCharacters = 1000;
  std::string message = error.what();
  if (message.size() > kMostCharacters) {
    message =
        detail::concat(message.substr(0, kMostCharacters / 2), " ... (", message.size(),
                       " characters) ... ", message.substr(message.size() - kMostCharacters / 4));
  }
  return Error(path.string() + ": " + message);
}

}  // namespace flatenn::interop
