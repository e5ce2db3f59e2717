#include <string>

#include "flatenn/base/error.h"
#include "nn/graph_builder.h"
#include "nn/zoo/zoo.h"

namespace flatenn::nn {

Graph mlp(const ModelOptions& options) {
  GraphBuilder builder(options.input);
  int64_t at = 0;
  int64_t index = 1;
  for (const int64_t width : options.hidden) {
    FLATENN_CHECK(width >= 1, "mlp: hidden widths must be positive, got ", width);
    at = builder.linear("fc" + std::to_string(index++), at, width, true);
  }
  builder.linear("fc" + std::to_string(index), at, options.classes, false);
  return builder.take();
}

}  // namespace flatenn::nn
