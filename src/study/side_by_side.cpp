#include "study/side_by_side.h"

#include "flatenn/base/error.h"
#include "flatenn/base/parallel.h"
#include "flatenn/base/progress.h"
#include "flatenn/engine/devices.h"
#include "flatenn/train/config.h"

namespace flatenn::study {

int64_t side_by_side(const StudyOptions& options, const Training& training) {
  const auto gpus = std::ssize(engine::parse_device_choice(options.device));
  FLATENN_CHECK(gpus == 0 || options.jobs <= gpus, "--jobs: expected at most ", gpus,
                " with --device ", options.device, ", got ", options.jobs);
  if (options.jobs > 0) return options.jobs;
  if (gpus > 0) return gpus;
  Config config = training_config(training);
  const int64_t threads = train::read_train_config(config).threads;
  return std::max<int64_t>(1, resolve_threads(0) / resolve_threads(threads));
}

std::vector<ArmStatus> train_side_by_side(ArmTrainer& trainer, std::span<const Training> trainings,
                                          const std::filesystem::path& runs, int64_t jobs,
                                          bool quiet) {
  const auto count = static_cast<int64_t>(trainings.size());
  std::vector<ArmStatus> statuses(trainings.size(), ArmStatus::kStopped);
  int64_t images = 0;
  for (const Training& training : trainings) {
    const int64_t left = trainer.images_left(training, runs / training.name);
    if (left == 0) continue;
    const ArmStatus status = trainer.prepare(training);
    if (status != ArmStatus::kFinished) return std::vector(trainings.size(), status);
    images += left;
  }
  Progress progress({.title = "training " + std::to_string(count) + " networks, " +
                              std::to_string(std::min(jobs, count)) + " at once",
                     .total = images,
                     .unit = "images",
                     .quiet = quiet || images == 0});
  std::mutex drawing;
  trainer.tell_images([&](int64_t done) {
    const std::lock_guard lock(drawing);
    progress.advance(done);
  });
  parallel_for(count, jobs, [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    statuses[at] = trainer.train(trainings[at], runs / trainings[at].name);
  });
  trainer.tell_images(nullptr);
  return statuses;
}

}  // namespace flatenn::study
