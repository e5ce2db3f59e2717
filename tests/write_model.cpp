// write_model FILE.onnx: a LeNet-5 of random 4-bit weights, for transcripts and the embed test.
#include "flatenn/interop/onnx.h"
#include "net/testing.h"

int main(int, char** argv) {
  flatenn::interop::write_onnx(flatenn::net::testing::lenet({.seed = 1}), argv[1]);
}
