#include "study/analysis_parts.h"

#include "flatenn/analysis/bit_search.h"
#include "flatenn/analysis/check_codes.h"
#include "flatenn/analysis/cost.h"
#include "flatenn/analysis/fault_rise.h"
#include "flatenn/analysis/flip_estimates.h"
#include "flatenn/analysis/landscape_question.h"
#include "flatenn/analysis/result_file.h"
#include "flatenn/analysis/sharpness.h"
#include "flatenn/base/error.h"
#include "flatenn/base/progress.h"
#include "flatenn/interop/onnx.h"
#include "flatenn/net/content_hash.h"
#include "study/run_campaigns.h"

namespace flatenn::study {
namespace {

using nlohmann::json;

template <typename Values>
std::string joined(const Values& values) {
  std::string text;
  for (const auto& value : values) text += detail::concat(" ", value);
  return text;
}

analysis::LossSurface surface_of(const AnalysisInputs& inputs,
                                 const AnalysisInputs::Images& images) {
  const engine::EngineOptions engine = engine_on(inputs.options());
  const torch::Device device =
      engine.kind == engine::EngineKind::kCuda
          ? torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(engine.device))
          : torch::Device(torch::kCPU);
  return analysis::LossSurface(std::make_shared<analysis::TorchNetwork>(inputs.network(), device),
                               *images.codes, images.images.labels);
}

/// A progress line; asks for a stop at each step.
class Steps {
 public:
  Steps(const AnalysisInputs& inputs, const std::string& title)
      : inputs_(inputs),
        progress_(std::make_shared<Progress>(
            Progress::Options{.title = title + ": " + inputs.network()->name,
                              .unit = "steps",
                              .quiet = inputs.options().quiet})) {}
  void operator()(const std::string& stage) const {
    progress_->set_text(stage);
    progress_->advance();
    inputs_.check_stop();
  }
  void operator()(int64_t done, int64_t total) const {
    (*this)(detail::concat(done, " of ", total));
  }

 private:
  const AnalysisInputs& inputs_;
  std::shared_ptr<Progress> progress_;  ///< Shared by copies of the observer.
};

AnalysisPart cost_part(const AnalysisSettings::Cost& settings) {
  const auto measure = [settings](const AnalysisInputs& inputs) {
    const AnalysisInputs::Images images = inputs.test_images(settings.images);
    const auto engine =
        inputs.engine(images, {.kind = engine::EngineKind::kCpu});  // tells all codes
    json list = json::array();
    for (const std::string& name : settings.hardware) {
      inputs.check_stop();
      list.push_back(analysis::to_json(analysis::estimate_cost(
          *inputs.network(), *engine, *images.codes, analysis::find_hardware(name))));
    }
    return list;
  };
  return {.kind = "cost",
          .stem = "cost",
          .settings = {{"hardware", settings.hardware}, {"images", settings.images}},
          .arguments = detail::concat(" --images ", settings.images, " --hardware",
                                      joined(settings.hardware)),
          .measure = measure};
}

json measure_sharpness(const AnalysisSettings::Sharpness& settings, const AnalysisInputs& inputs) {
  const AnalysisInputs::Images images = inputs.test_images(settings.images);
  analysis::SharpnessOptions options;
  options.rho = settings.rho;
  options.noise = settings.noise;
  options.samples = settings.samples;
  options.eigenvalues = settings.eigenvalues;
  json result = analysis::to_json(
      analysis::measure_sharpness(surface_of(inputs, images), options, Steps(inputs, "sharpness")));
  const auto engine = inputs.engine(images, engine_on(inputs.options()));
  result["bit_errors"] = analysis::to_json(
      analysis::measure_fault_rise(inputs.network(), *engine, *images.codes, images.images.labels,
                                   settings.rate, options.seed, settings.trials));
  result["seed"] = options.seed;
  return result;
}

AnalysisPart sharpness_part(const AnalysisSettings::Sharpness& settings) {
  return {.kind = "sharpness",
          .stem = "sharpness",
          .settings = {{"images", settings.images},
                       {"rho", settings.rho},
                       {"noise", settings.noise},
                       {"samples", settings.samples},
                       {"eigenvalues", settings.eigenvalues},
                       {"rate", settings.rate},
                       {"trials", settings.trials}},
          .arguments = detail::concat(" --images ", settings.images, " --rho", joined(settings.rho),
                                      " --noise ", settings.noise, " --samples ", settings.samples,
                                      " --eigenvalues ", settings.eigenvalues, " --rate ",
                                      settings.rate, " --trials ", settings.trials),
          .measure = [settings](const AnalysisInputs& inputs) {
            return measure_sharpness(settings, inputs);
          }};
}

constexpr int64_t kAttackImages = 256;  ///< As `flatenn sensitivity` has it.

json measure_attack(const AnalysisSettings::Sensitivity& settings,
                    const analysis::SensitivityOptions& cells, const AnalysisInputs& inputs,
                    const AnalysisInputs::Images& images, engine::Engine& engine) {
  const AnalysisInputs::Images others = inputs.train_images(kAttackImages);
  json attack = analysis::to_json(analysis::search_bits(
      surface_of(inputs, others), inputs.network(), engine, *images.codes, images.images.labels,
      {.flips = settings.attack,
       .random_trials = cells.trials,
       .seed = cells.seed,
       .observer = Steps(inputs, "bit search")}));
  attack["search_images"] = others.images.count;
  return attack;
}

void measure_protection(const AnalysisSettings::Sensitivity& settings,
                        const analysis::SensitivityOptions& cells,
                        const analysis::SensitivityReport& report, const AnalysisInputs& inputs,
                        const AnalysisInputs::Images& images, engine::Engine& engine,
                        json& result) {
  const analysis::HardeningOptions how{.rate = settings.harden,
                                       .trials = cells.trials,
                                       .seed = cells.seed + 1,
                                       .observer = Steps(inputs, "hardening")};
  const auto& labels = images.images.labels;
  result["hardening"] = analysis::to_json(
      analysis::harden_greedily(inputs.network(), engine, *images.codes, labels, report, how));
  result["hardening"]["rate"] = how.rate;
  result["hardening"]["tolerated_drop"] = how.tolerated_drop;
  result["check_codes"] = analysis::to_json(analysis::compare_check_codes(
      inputs.network(), engine, *images.codes, labels, report.golden_accuracy, how));
}

json measure_sensitivity(const AnalysisSettings::Sensitivity& settings,
                         const AnalysisInputs& inputs) {
  const AnalysisInputs::Images images = inputs.test_images(settings.images);
  analysis::SensitivityOptions options;
  options.rate = settings.rate;
  options.trials = settings.trials;
  options.observer = Steps(inputs, "sensitivity");
  const auto engine = inputs.engine(images, engine_on(inputs.options()));
  const analysis::SensitivityReport report = analysis::measure_sensitivity(
      inputs.network(), *engine, *images.codes, images.images.labels, options);
  json result = analysis::to_json(report, options);
  const AnalysisInputs::Images others = inputs.train_images(settings.gradient_images);
  result["estimates"] = analysis::compare_estimates(surface_of(inputs, others), report, options,
                                                    Steps(inputs, "estimates"));
  if (settings.attack > 0)
    result["attack"] = measure_attack(settings, options, inputs, images, *engine);
  if (settings.harden > 0)
    measure_protection(settings, options, report, inputs, images, *engine, result);
  return result;
}

std::string arguments_of(const AnalysisSettings::Sensitivity& settings) {
  std::string arguments =
      detail::concat(" --images ", settings.images, " --rate ", settings.rate, " --trials ",
                     settings.trials, " --gradient-images ", settings.gradient_images);
  if (settings.attack > 0) arguments += detail::concat(" --attack ", settings.attack);
  if (settings.harden > 0) arguments += detail::concat(" --harden ", settings.harden);
  return arguments;
}

AnalysisPart sensitivity_part(const AnalysisSettings::Sensitivity& settings) {
  return {.kind = "sensitivity",
          .stem = "sensitivity",
          .settings = {{"images", settings.images},
                       {"rate", settings.rate},
                       {"trials", settings.trials},
                       {"gradient_images", settings.gradient_images},
                       {"attack", settings.attack},
                       {"harden", settings.harden}},
          .arguments = arguments_of(settings),
          .measure = [settings](const AnalysisInputs& inputs) {
            return measure_sensitivity(settings, inputs);
          }};
}

json measure_landscape(const analysis::LandscapeQuestion& question, int64_t image_count,
                       const AnalysisInputs& inputs) {
  const AnalysisInputs::Images images = inputs.test_images(image_count);
  const analysis::LossSurface loss = surface_of(inputs, images);
  analysis::DequantizedSurface surface(loss);
  const std::string identity = analysis::identity_of(question, *inputs.network(), images.images);
  analysis::make_folder(inputs.folder());
  return analysis::to_json(
      analysis::trace_landscape(
          surface, analysis::random_axes(surface, question.seed, question.grid), question.grid,
          inputs.folder() / (analysis::file_stem(question) + ".csv"), identity,
          Steps(inputs, "landscape")),
      identity);
}

AnalysisPart landscape_part(const AnalysisSettings::Landscape& settings, bool plane) {
  analysis::LandscapeQuestion question;
  question.grid = {.points = plane ? settings.plane_points : settings.line_points,
                   .range = settings.range,
                   .two_dimensional = plane};
  const int64_t images = settings.images;
  return {.kind = "landscape",
          .stem = analysis::file_stem(question),
          .settings = {{"images", images},
                       {"points", question.grid.points},
                       {"range", question.grid.range},
                       {"plane", plane}},
          .arguments = detail::concat(" --images ", images, " --points ", question.grid.points,
                                      " --range ", question.grid.range, plane ? " --plane" : ""),
          .measure = [question, images](const AnalysisInputs& inputs) {
            return measure_landscape(question, images, inputs);
          }};
}

}  // namespace

AnalysisInputs::AnalysisInputs(const std::filesystem::path& run, std::filesystem::path folder,
                               const StudyOptions& options)
    : network_(std::make_shared<const net::Network>(interop::read_onnx(run / "model.onnx"))),
      model_hash_(net::content_hash(*network_)),
      folder_(std::move(folder)),
      options_(options) {}

AnalysisInputs::Images AnalysisInputs::open(data::Split split, int64_t count) const {
  const auto name = network_->metadata.find("dataset");
  FLATENN_CHECK(name != network_->metadata.end(), network_->name, ": does not name its data set");
  Images opened;
  opened.images = data::take_first(
      data::load_image_set(name->second, split, data::resolve_data_root(options_.data_root)),
      count);
  opened.codes = engine::quantize_images(opened.images, *network_);
  return opened;
}

AnalysisInputs::Images AnalysisInputs::test_images(int64_t count) const {
  return open(data::Split::kTest, count);
}

AnalysisInputs::Images AnalysisInputs::train_images(int64_t count) const {
  return open(data::Split::kTrain, count);
}

std::unique_ptr<engine::Engine> AnalysisInputs::engine(const Images& images,
                                                       const engine::EngineOptions& options) const {
  return engine::make_engine(network_, images.codes, options);
}

void AnalysisInputs::check_stop() const {
  if (options_.stop_requested && options_.stop_requested()) throw AnalysisStopped{};
}

std::vector<AnalysisPart> analysis_parts(const AnalysisSettings& settings, bool first_seed) {
  std::vector<AnalysisPart> parts;
  if (!settings.cost.hardware.empty()) parts.push_back(cost_part(settings.cost));
  if (settings.sharpness.wanted) parts.push_back(sharpness_part(settings.sharpness));
  if (settings.sensitivity.trials > 0) parts.push_back(sensitivity_part(settings.sensitivity));
  if (settings.landscape.line_points > 0)
    parts.push_back(landscape_part(settings.landscape, /*plane=*/false));
  if (settings.landscape.plane_points > 0 && first_seed)
    parts.push_back(landscape_part(settings.landscape, /*plane=*/true));
  return parts;
}

}  // namespace flatenn::study
