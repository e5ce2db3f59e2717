#pragma once

#include <string>
#include <vector>

#include "flatenn/data/image_set.h"
#include "flatenn/net/network.h"
#include "flatenn/study/study.h"

namespace flatenn::study {

/// Mean accuracy over the tuning's fault maps in one cell.
struct ScoredCell {
  std::string encoding;
  std::string kind;
  double rate = 0;
  double accuracy = 0;
};

/// The cells in which candidates are scored: every encoding, kind and rate of the plan.
std::vector<ScoredCell> tuning_cells(const Definition& definition);

/// The same with accuracies, of a network on images.
std::vector<ScoredCell> score_cells(const Definition& definition, const StudyOptions& options,
                                    const net::Network& network, const data::ImageSet& images);

/// A candidate's score: the mean over cells.
double mean_accuracy(const std::vector<ScoredCell>& cells);

}  // namespace flatenn::study
