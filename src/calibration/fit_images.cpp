#include "flatenn/base/error.h"
#include "flatenn/calibration/calibrate.h"

namespace flatenn::calibration {
namespace {

std::string text(const net::Shape& shape) {
  return detail::concat(shape.channels, "x", shape.height, "x", shape.width);
}

/// Puts a move in front that makes HWC of the image's CHW.
void read_channels_last(interop::FloatGraph& graph, const net::Shape& image) {
  interop::FloatOp move{.name = "image_channels_last",
                        .type = "Transpose",
                        .kind = interop::FloatKind::kMove,
                        .inputs = {0},
                        .output = std::ssize(graph.tensors),
                        .in = image,
                        .out = graph.input};
  const int64_t plane = image.height * image.width;
  for (int64_t i = 0; i < image.elements(); ++i) {
    move.order.push_back(static_cast<int32_t>(i % image.channels * plane + i / image.channels));
  }
  for (interop::FloatOp& op : graph.ops) {
    for (int64_t& input : op.inputs) input = input == 0 ? move.output : input;
    if (op.skip == 0) op.skip = move.output;
  }
  graph.tensors.push_back(graph.tensors[0] + "_channels_last");
  graph.ops.insert(graph.ops.begin(), std::move(move));
  graph.input = image;
}

}  // namespace

interop::FloatGraph fit_images(interop::FloatGraph graph, const data::ImageSet& images) {
  const net::Shape image{images.channels, images.height, images.width};
  const net::Shape last{images.height, images.width, images.channels};
  const net::Shape flat{image.elements()};
  if (graph.input == flat) {
    graph.input = image;
  } else if (graph.input != image && graph.input == last) {
    read_channels_last(graph, image);
  }
  FLATENN_CHECK(graph.input == image, "images of ", images.name, " are ", text(image),
                ", but network ", graph.name, " takes ", text(graph.input));
  return graph;
}

}  // namespace flatenn::calibration
