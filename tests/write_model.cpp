// write_model FILE.onnx [resnet18]: a LeNet-5 (or a ResNet-18) of random 4-bit weights, for
// transcripts, the embed test and bench/multi_gpu.py.
#include <string_view>

#include "flatenn/interop/onnx.h"
#include "net/testing.h"

int main(int count, char** words) {
  const bool residual = count > 2 && std::string_view(words[2]) == "resnet18";
  flatenn::interop::write_onnx(residual ? flatenn::net::testing::resnet18({.seed = 1})
                                        : flatenn::net::testing::lenet({.seed = 1}),
                               words[1]);
}
