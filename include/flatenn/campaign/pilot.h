#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace flatenn::campaign {

/// A stratum of a stratified cell: constants of the plan once its pilot is stored.
struct PilotStratum {
  std::string name;    ///< Of its class of bits.
  int64_t bits = 0;    ///< In that class.
  double weight = 0;   ///< Share of all maps.
  double sd = 0;       ///< Of a map's loss, as the pilot saw it.
  int64_t trials = 0;  ///< Of the campaign.
  bool operator==(const PilotStratum&) const = default;
};

/// What a short pilot learns about a cell. With f(t, i) = 1 where map t leaves image i right and
/// g(i) the same of the golden pass, a trial of m images estimates
///   Y(t) = mean_i f(t, i) - control * (mean_i g(i) - golden accuracy)
/// whose variance over trials is between^2 + within^2 * (1 - m / N) / m.
struct PilotCell {
  double mean = 0;
  double between_sd = 0;  ///< Of the maps' accuracies over the whole set.
  double within_sd = 0;   ///< Of f - control * g over images.
  double control = 1;     ///< Weight of the control variate that makes `within_sd` smallest.
  std::vector<PilotStratum> strata;  ///< Of a stratified cell.
  double untouched = 0;              ///< Share of maps that change nothing: no stratum has them.
  double untouched_faults = 0;       ///< Mean number of faults of such a map.

  double variance(int64_t images, int64_t dataset_images) const;
  /// Trials for a half-width of the 95 % interval: the first checkpoint of the stop rule that is
  /// expected to do, at most max_trials.
  int64_t trials_for(double half_width, int64_t images, int64_t dataset_images,
                     int64_t max_trials) const;
};

/// A pilot runs on fault seeds of its own and no result uses its trials: the control weights and
/// the number of images are constants of the plan, so estimates stay unbiased.
struct Pilot {
  int64_t trials = 0;            ///< Maps a cell.
  int64_t images = 0;            ///< Images a map.
  int64_t images_per_trial = 0;  ///< What the campaign is to use.
  std::vector<PilotCell> cells;

  std::string to_json() const;
  static Pilot from_json(const std::string& text);
};

/// Counts of one pilot trial's images.
struct PilotTrial {
  int64_t images = 0;
  int64_t right_both = 0;    ///< Right in the golden pass and under faults.
  int64_t right_golden = 0;  ///< Right in the golden pass alone.
  int64_t right_faulty = 0;  ///< Right under faults alone.
};

PilotCell estimate_cell(const std::vector<PilotTrial>& trials, int64_t dataset_images,
                        double golden_accuracy);

/// The number of images a trial that costs least: with a half-width, the sum over cells of
/// trials * (images + overhead); without, of variance * (images + overhead), the cost of equal
/// precision. `overhead` is what drawing and applying a map costs, in images.
int64_t choose_images(const std::vector<PilotCell>& cells, int64_t dataset_images,
                      std::optional<double> half_width, int64_t max_trials, int64_t overhead = 64);

}  // namespace flatenn::campaign
