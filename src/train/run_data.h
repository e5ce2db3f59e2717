#pragma once

#include <filesystem>

#include "flatenn/data/catalogue.h"
#include "flatenn/data/image_set.h"
#include "flatenn/nn/model.h"
#include "flatenn/train/config.h"
#include "flatenn/train/records.h"

namespace flatenn::train {

/// What a training learns from and what it is measured on.
struct RunData {
  data::ImageSet train;
  data::ImageSet test;  ///< The test split, or the images held out of the training split.
};

/// Throws Error naming file or key, also where own data without splits would be learned and tested
/// on alike; data::Interrupted.
RunData load_run_data(const DataOptions& options, const std::filesystem::path& root,
                      const data::LoadOptions& load = {});

RunRecord::Dataset describe(const RunData& data, const DataOptions& options);

/// Throws Error where the images do not fit the network, or labels are none of its classes.
void check_images(const net::Network& network, const RunData& data);

/// The same of the shape alone, which is known of data sets of the catalogue before any is read.
void check_shape(const net::Network& network, const data::DataSet& set);

/// The model's options with what the data set decides: input shape, classes, input scale.
nn::ModelOptions model_options_for(const TrainConfig& config, const data::ImageSet& images);
nn::ModelOptions model_options_for(const TrainConfig& config, const data::DataSet& set);

}  // namespace flatenn::train
