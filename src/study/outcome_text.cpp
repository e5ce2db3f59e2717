#include <cstdio>

#include "flatenn/study/claims.h"
#include "flatenn/study/study.h"

namespace flatenn::study {
namespace {

std::string epochs_text(const TrainingRecord& training) {
  const std::string own = std::to_string(training.epochs);
  return training.warm_epochs == 0 ? own : std::to_string(training.warm_epochs) + " + " + own;
}

std::string row(const TrainingRecord& training) {
  char text[192];
  int used = std::snprintf(text, sizeof text, "  %-24s %10s %7ld  ", training.name.c_str(),
                           epochs_text(training).c_str(), training.gradient_passes);
  const size_t left = sizeof text - static_cast<size_t>(used);
  if (training.status == "finished") {
    std::snprintf(text + used, left, "%12.2f  %5.1f  %6.0f\n", 100 * training.accuracy,
                  100 * training.sparsity, training.seconds);
  } else {
    std::snprintf(text + used, left, "%12s\n", training.status.c_str());
  }
  return text;
}

}  // namespace

std::string outcome_text(const StudyOutcome& outcome) {
  std::string text =
      "Networks: epochs (warm start + own), passes over the training images, without faults\n"
      "  network                      epochs  passes    accuracy %  zeros  seconds\n";
  for (const TrainingRecord& training : outcome.trainings) text += row(training);
  text += "\n";
  text += claims_text(outcome.claims);
  if (outcome.not_run.empty()) return text;
  text += "\nNot run, or to be kept in mind\n";
  for (const std::string& line : outcome.not_run) text += "  " + line + "\n";
  return text;
}

}  // namespace flatenn::study
