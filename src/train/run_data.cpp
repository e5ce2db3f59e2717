#include "train/run_data.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "flatenn/base/error.h"
#include "flatenn/train/order.h"

namespace flatenn::train {
namespace {

std::vector<int64_t> others(const std::vector<int64_t>& rising, int64_t count) {
  std::vector<int64_t> all(static_cast<size_t>(count));
  std::iota(all.begin(), all.end(), int64_t{0});
  std::vector<int64_t> rest;
  std::set_difference(all.begin(), all.end(), rising.begin(), rising.end(),
                      std::back_inserter(rest));
  return rest;
}

void check_shape(const net::Network& network, const std::string& name, const net::Shape& got) {
  const net::Shape& wanted = network.input().shape;
  FLATENN_CHECK(wanted == got, "data set ", name, ": its images are ", got.channels, "x",
                got.height, "x", got.width, ", but network ", network.name, " takes ",
                wanted.channels, "x", wanted.height, "x", wanted.width);
}

}  // namespace

RunData load_run_data(const DataOptions& options, const std::filesystem::path& root,
                      const data::LoadOptions& load) {
  data::ImageSet train = data::load_image_set(options.name, data::Split::kTrain, root, load);
  RunData data;
  if (options.hold_out > 0) {
    FLATENN_CHECK(options.hold_out < train.count, "data.hold_out = ", options.hold_out,
                  " leaves none of the ", train.count, " training images");
    const auto held_out = held_out_images(options.hold_out_seed, train.count, options.hold_out);
    data.test = select_images(train, held_out);
    train = select_images(train, others(held_out, train.count));
  } else {
    data.test = data::load_image_set(options.name, data::Split::kTest, root, load);
    FLATENN_CHECK(data.test.content_hash != train.content_hash, options.name,
                  ": has no splits, so it would be tested on what it learns; set data.hold_out, or "
                  "name the splits in a data.toml");
  }
  data.train = data::take_first(std::move(train), options.train_images);
  data.test = data::take_first(std::move(data.test), options.test_images);
  return data;
}

RunRecord::Dataset describe(const RunData& data, const DataOptions& options) {
  return {.name = options.name,
          .train_hash = data.train.content_hash,
          .test_hash = data.test.content_hash,
          .train_images = data.train.count,
          .test_images = data.test.count,
          .held_out = options.hold_out > 0};
}

void check_images(const net::Network& network, const RunData& data) {
  const int64_t classes = network.classes();
  for (const data::ImageSet* images : {&data.train, &data.test}) {
    check_shape(network, images->name, {images->channels, images->height, images->width});
    const auto most = std::max_element(images->labels.begin(), images->labels.end());
    FLATENN_CHECK(most == images->labels.end() || *most < classes, "data set ", images->name,
                  ": holds label ", most == images->labels.end() ? 0 : *most, ", but network ",
                  network.name, " has ", classes, " classes");
  }
}

void check_shape(const net::Network& network, const data::DataSet& set) {
  check_shape(network, set.name, {set.channels, set.height, set.width});
}

nn::ModelOptions model_options_for(const TrainConfig& config, const data::DataSet& set) {
  return model_options_for(config, data::ImageSet{.name = set.name,
                                                  .channels = set.channels,
                                                  .height = set.height,
                                                  .width = set.width,
                                                  .class_names = set.class_names,
                                                  .mean = set.mean,
                                                  .std = set.std});
}

nn::ModelOptions model_options_for(const TrainConfig& config, const data::ImageSet& images) {
  nn::ModelOptions model = config.model;
  model.mean = images.mean;
  model.std = images.std;
  model.input = {images.channels, images.height, images.width};
  model.classes = static_cast<int64_t>(images.class_names.size());
  model.input_scale = static_cast<double>(images.max_normalized()) / 127;
  return model;
}

}  // namespace flatenn::train
