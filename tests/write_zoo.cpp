// write_zoo FOLDER: NAME.onnx for each of the random networks that tests share (net/testing.h):
// every bit width from 2 to 8, odd and plain values, one scale and one a channel.
#include <filesystem>

#include "flatenn/interop/onnx.h"
#include "net/testing.h"

int main(int, char** argv) {
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  for (const auto& [name, network] : flatenn::net::testing::zoo()) {
    flatenn::interop::write_onnx(network, folder / (name + ".onnx"));
  }
}
