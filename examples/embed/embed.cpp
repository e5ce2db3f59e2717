// embed MODEL.onnx: faults a frozen network's weight memory at a bit error rate of 1 %.
#include <flatenn/fault/injector.h>
#include <flatenn/net/onnx.h>

#include <cstdio>

int main(int, char** argv) {
  namespace fault = flatenn::fault;
  const auto network = std::make_shared<flatenn::net::Network>(flatenn::net::read_onnx(argv[1]));
  const fault::Injector injector(network, fault::FaultModel::of_kind(fault::FaultKind::kStuckAt0));
  const fault::FaultCounts counts = injector.inject(/*rate=*/0.01, /*seed=*/7, /*trial=*/0).counts;
  std::printf("%ld weight bits, %ld faults, %ld bits changed\n", weight_bits(*network),
              counts.drawn, counts.landed);
}
