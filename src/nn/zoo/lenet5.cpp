#include "nn/graph_builder.h"
#include "nn/zoo/zoo.h"

namespace flatenn::nn {

Graph lenet5(const ModelOptions& options) {
  GraphBuilder builder(options.input);
  int64_t at = builder.conv(
      {.name = "conv1", .out_channels = 6, .window = square_window(5, 1, 2), .relu = true}, 0);
  at = builder.pool("pool1", net::LayerKind::kMaxPool, at, square_window(2, 2));
  at = builder.conv({.name = "conv2", .out_channels = 16, .window = square_window(5), .relu = true},
                    at);
  at = builder.pool("pool2", net::LayerKind::kMaxPool, at, square_window(2, 2));
  at = builder.linear("fc1", at, 120, true);
  at = builder.linear("fc2", at, 84, true);
  builder.linear("fc3", at, options.classes, false);
  return builder.take();
}

}  // namespace flatenn::nn
