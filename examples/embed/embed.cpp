// embed MODEL.onnx: faults a frozen network's weight memory at a bit error rate of 1 %.
#include <flatenn/fault/injector.h>
#include <flatenn/interop/model.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: embed MODEL.onnx\n");
    return 2;
  }
  namespace fault = flatenn::fault;
  const auto network =
      std::make_shared<flatenn::net::Network>(flatenn::interop::read_model(argv[1]));
  const fault::Injector injector(network, fault::FaultModel::of_kind(fault::FaultKind::kStuckAt0));
  const fault::FaultCounts counts = injector.inject(/*rate=*/0.01, /*seed=*/7, /*trial=*/0).counts;
  std::printf("%ld weight bits, %ld faults, %ld bits changed\n", weight_bits(*network),
              counts.drawn, counts.landed);
}
