#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "flatenn/data/image_set.h"
#include "flatenn/engine/engine.h"
#include "flatenn/net/network.h"
#include "flatenn/study/analysis_settings.h"
#include "flatenn/study/study.h"

namespace flatenn::study {

/// Thrown out of a measurement that was asked to stop.
struct AnalysisStopped {};

/// A trained network, ready to be measured over the first images of a split.
class AnalysisInputs {
 public:
  AnalysisInputs(const std::filesystem::path& run, std::filesystem::path folder,
                 const StudyOptions& options);

  /// Images of the network's own data set, in engine and LibTorch form.
  struct Images {
    data::ImageSet images;
    std::shared_ptr<const engine::ImageCodes> codes;
  };
  Images test_images(int64_t count) const;
  Images train_images(int64_t count) const;
  std::unique_ptr<engine::Engine> engine(const Images& images,
                                         const engine::EngineOptions& options) const;

  const std::shared_ptr<const net::Network>& network() const { return network_; }
  const std::string& model_hash() const { return model_hash_; }
  const std::filesystem::path& folder() const { return folder_; }
  const StudyOptions& options() const { return options_; }
  /// Throws AnalysisStopped where the study was asked to stop.
  void check_stop() const;

 private:
  Images open(data::Split split, int64_t count) const;

  std::shared_ptr<const net::Network> network_;
  std::string model_hash_;
  std::filesystem::path folder_;
  const StudyOptions& options_;
};

/// One result file of a network.
struct AnalysisPart {
  std::string kind;         ///< "cost": subcommand and kind of result.
  std::string stem;         ///< File name without ".json".
  nlohmann::json settings;  ///< All that decides the result, besides network and images.
  std::string arguments;    ///< Of the subcommand that does the same.
  std::function<nlohmann::json(const AnalysisInputs&)> measure;
};

/// What a level asks of one network; planes for the first seed alone.
std::vector<AnalysisPart> analysis_parts(const AnalysisSettings& settings, bool first_seed);

}  // namespace flatenn::study
