#include "campaign/workload.h"

#include <algorithm>
#include <future>

#include "campaign/image_subset.h"
#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/base/parallel.h"
#include "flatenn/campaign/stop_rule.h"
#include "flatenn/data/catalogue.h"
#include "flatenn/interop/model.h"
#include "flatenn/net/content_hash.h"

namespace flatenn::campaign {
namespace {

/// Of logits that trials run together may hold; one trial may need more.
constexpr int64_t kLogitBytes = int64_t{256} << 20;

std::string metadata_of(const net::Network& network, const std::string& key) {
  const auto found = network.metadata.find(key);
  return found == network.metadata.end() ? "" : found->second;
}

/// The name that a model of flatenn carries, else its file's, made unique among those before it.
std::string choose_name(const net::Network& network, const std::filesystem::path& path,
                        const std::vector<PlanModel>& others) {
  std::string base = metadata_of(network, "version").empty() ? "" : network.name;
  if (base.empty()) base = path.stem().string();
  const auto taken = [&](const std::string& name) {
    return std::any_of(others.begin(), others.end(),
                       [&](const PlanModel& other) { return other.name == name; });
  };
  if (!taken(base)) return base;
  int64_t number = 2;
  while (taken(base + "-" + std::to_string(number))) ++number;
  return base + "-" + std::to_string(number);
}

std::string choose_dataset(const std::string& wanted, const std::vector<PlanModel>& models) {
  if (!wanted.empty()) return wanted;
  std::string name;
  for (const PlanModel& model : models) {
    const std::string own = metadata_of(*model.network, "dataset");
    FLATENN_CHECK(!own.empty(), model.path,
                  ": does not say which data set it is for; give one (data = \"...\", --data)");
    FLATENN_CHECK(name.empty() || name == own, model.path, ": is for ", own, ", ",
                  models.front().path, " for ", name, "; a plan compares models on one data set");
    name = own;
  }
  return name;
}

fault::FaultModel at_level(fault::FaultModel model, const Level& level) {
  for (fault::FaultSource& source : model.sources) {
    if (source.follows_rate()) source.count = level.count;
  }
  return model;
}

/// Passes over `all` images that one network will take at least, the golden one among them.
int64_t least_passes(const Plan& plan, int64_t all) {
  if (plan.images.mode == ImageChoice::Mode::kAuto) return 1;  // the pilot chooses few
  const int64_t images =
      plan.images.mode == ImageChoice::Mode::kCount ? std::min(plan.images.count, all) : all;
  if (plan.search_within) return 1 + 8 * next_checkpoint(0);  // bisection looks at some eight rates
  const int64_t trials = plan.half_width ? std::min(plan.trials, next_checkpoint(0)) : plan.trials;
  return 1 + static_cast<int64_t>(plan.levels.size()) * trials * images / all;
}

bool changes_nothing(const fault::Injection& injection) {
  return injection.weights.empty() && injection.biases.empty() && !injection.activations;
}

}  // namespace

Workload::Workload(Plan plan, WorkloadOptions options)
    : plan_(std::move(plan)),
      options_(std::move(options)),
      threads_(resolve_threads(options_.engine.threads)) {
  read_models();
  plan_.dataset = options_.images ? options_.images->name : choose_dataset(plan_.dataset, models_);
  if (!options_.images && data::is_known_data(plan_.dataset)) {  // sooner than reading them
    const data::DataSet& set = data::find_data_set(plan_.dataset);
    check_fit(set.name, {set.channels, set.height, set.width}, std::ssize(set.class_names));
  }
  images_ = load_images();
  for (PlanModel& model : models_) {
    model.hash = net::content_hash(*model.network);
    make_injectors(model);
  }
  say_saturated();
  make_cells();
  if (plan_.stratified) make_map_strata();
}

Workload::Workload(const Workload& first, const engine::EngineOptions& engine)
    : plan_(first.plan_),
      options_(first.options_),
      threads_(resolve_threads(engine.threads)),
      images_(first.images_),
      images_per_trial_(first.images_per_trial_) {
  options_.engine = engine;
  options_.networks.clear();
  for (const PlanModel& model : first.models_) options_.networks.push_back(model.network);
  read_models();
  for (size_t i = 0; i < models_.size(); ++i) {
    models_[i].hash = first.models_[i].hash;
    make_injectors(models_[i]);
  }
  for (size_t i = 0; i < subjects_.size(); ++i) subjects_[i].codes = first.subjects_[i].codes;
  make_cells();
  if (plan_.stratified) make_map_strata();
  stratum_orders_ = first.stratum_orders_;
}

void Workload::read_models() {
  const auto& given = options_.networks;
  FLATENN_CHECK(given.empty() || given.size() == plan_.models.size(), "campaign: ", given.size(),
                " networks for the ", plan_.models.size(), " models of the plan");
  for (size_t i = 0; i < plan_.models.size(); ++i) {
    const std::filesystem::path& path = plan_.models[i];
    PlanModel model;
    model.path = path.string();
    model.network =
        given.empty() ? std::make_shared<net::Network>(interop::read_model(path)) : given[i];
    model.name = choose_name(*model.network, path, models_);
    models_.push_back(std::move(model));
  }
}

std::shared_future<data::ImageSet> Workload::load_images() const {
  const bool constants = std::any_of(models_.begin(), models_.end(), [](const PlanModel& model) {
    return !model.network->image.raw_pixels;
  });
  const data::LoadOptions load{.stop_requested = options_.stop_requested, .constants = constants};
  return std::async(std::launch::async,
                    [given = options_.images, root = options_.data_root, name = plan_.dataset,
                     split = plan_.split, first = plan_.first_images, load] {
                      return data::take_first(
                          given ? *given : data::load_image_set(name, split, root, load), first);
                    })
      .share();
}

void Workload::make_injectors(PlanModel& model) {
  for (const FaultCase& kind : plan_.kinds) {
    std::vector<fault::Injector>& injectors = model.injectors.emplace_back();
    const bool by_count = !plan_.levels.empty() && plan_.levels.front().count.has_value();
    const size_t wanted = by_count ? plan_.levels.size() : 1;
    for (size_t level = 0; level < wanted; ++level) {
      injectors.emplace_back(model.network, at_level(kind.model, plan_.levels[level]));
    }
    const fault::Injector& injector = injectors.front();
    for (const Level& level : plan_.levels) injector.check_rate(level.rate);
    model.subjects.push_back(find_subject(injector.network(), model));
    if (plan_.single_fault != SingleFault::kOff && model.strata.empty()) {
      model.strata = make_strata(injector.layout(), plan_, kind.model.sources.front());
    }
  }
}

void Workload::say_saturated() const {
  for (const PlanModel& model : models_) {
    for (const std::vector<fault::Injector>& injectors : model.injectors) {
      const fault::Injector& injector = injectors.front();
      if (injector.saturated() == 0) continue;
      log::info(model.name, ": ", injector.saturated(), " codes have no word in ",
                fault::to_string(injector.model().encoding), " and were saturated");
    }
  }
}

void Workload::check_images() const {
  check_fit(images().name, {images().channels, images().height, images().width},
            std::ssize(images().class_names));
}

void Workload::check_fit(const std::string& name, const net::Shape& got, int64_t classes) const {
  for (const PlanModel& model : models_) {
    const net::Network& network = *model.network;
    const net::Shape& wanted = network.input().shape;
    FLATENN_CHECK(wanted == got && network.classes() == classes, model.path, ": does not fit ",
                  name, ": takes images of ", wanted.channels, "x", wanted.height, "x",
                  wanted.width, " and has ", network.classes(), " classes; the data set has ",
                  got.channels, "x", got.height, "x", got.width, " and ", classes);
  }
}

int64_t Workload::find_subject(const std::shared_ptr<const net::Network>& network,
                               const PlanModel& model) {
  const std::string hash = network == model.network ? model.hash : net::content_hash(*network);
  for (size_t i = 0; i < subjects_.size(); ++i) {
    if (subjects_[i].hash == hash) return static_cast<int64_t>(i);
  }
  Subject subject;
  subject.network = network;
  subject.hash = hash;
  subjects_.push_back(std::move(subject));
  return static_cast<int64_t>(subjects_.size()) - 1;
}

void Workload::run_goldens() {
  for (size_t i = 0; i < models_.size(); ++i) {
    for (const int64_t index : models_[i].subjects) {
      Subject& subject = subjects_[static_cast<size_t>(index)];
      if (subject.golden) continue;
      const net::Network& network = *subject.network;
      if (!subject.codes) subject.codes = engine::quantize_images(images(), network, threads_);
      subject.golden =
          make_golden(engine::golden_logits(engine_of(subject), network, *subject.codes),
                      network.classes(), images().labels);
      if (i > 0) subject.engine.reset();  // one engine in memory is enough
    }
  }
}

void Workload::make_cells() {
  const bool single = plan_.single_fault != SingleFault::kOff;
  for (size_t model = 0; model < models_.size(); ++model) {
    const size_t levels = single ? models_[model].strata.size() : plan_.levels.size();
    FLATENN_CHECK(levels > 0, models_[model].path, ": no stored bits left to fault");
    for (size_t kind = 0; kind < plan_.kinds.size(); ++kind) {
      for (size_t level = 0; level < levels; ++level) {
        cells_.push_back({.cell = static_cast<int64_t>(cells_.size()),
                          .model = static_cast<int64_t>(model),
                          .kind = static_cast<int64_t>(kind),
                          .level = static_cast<int64_t>(level)});
      }
    }
  }
}

void Workload::make_map_strata() {
  for (const store::CellRow& cell : cells_) {
    const auto& injectors = models_[static_cast<size_t>(cell.model)].injectors;
    map_strata_.emplace_back(injectors[static_cast<size_t>(cell.kind)].front(),
                             plan_.levels[static_cast<size_t>(cell.level)].rate, label_of(cell));
  }
  stratum_orders_.resize(cells_.size());
}

const Subject& Workload::subject_of(const store::CellRow& cell) const {
  const PlanModel& model = models_[static_cast<size_t>(cell.model)];
  return subjects_[static_cast<size_t>(model.subjects[static_cast<size_t>(cell.kind)])];
}

int64_t Workload::trials_of(const store::CellRow& cell) const {
  if (plan_.single_fault == SingleFault::kOff) return plan_.trials;
  return models_[static_cast<size_t>(cell.model)].strata[static_cast<size_t>(cell.level)].wanted;
}

std::string Workload::label_of(const store::CellRow& cell) const {
  const PlanModel& model = models_[static_cast<size_t>(cell.model)];
  const auto level = static_cast<size_t>(cell.level);
  const std::string place =
      plan_.single_fault == SingleFault::kOff
          ? plan_.levels[level].label
          : model.strata[level].name + " bit " + std::to_string(model.strata[level].bit);
  return model.name + " " + plan_.kinds[static_cast<size_t>(cell.kind)].name + " " + place;
}

engine::Engine& Workload::engine_of(Subject& subject) {
  if (!subject.engine) {
    engine::EngineOptions options = options_.engine;
    options.passes = least_passes(plan_, images().count);
    subject.engine = engine::make_engine(subject.network, subject.codes, options);
    engine_name_ = subject.engine->name();
  }
  return *subject.engine;
}

void Workload::release_engine(int64_t model) {
  check_unchanged(model);
  for (const int64_t subject : models_[static_cast<size_t>(model)].subjects) {
    subjects_[static_cast<size_t>(subject)].engine.reset();
    subjects_[static_cast<size_t>(subject)].second.reset();
  }
}

void Workload::inject(const store::CellRow& cell, int64_t trial, uint64_t seed,
                      fault::Injection& injection) const {
  const PlanModel& model = models_[static_cast<size_t>(cell.model)];
  const auto& injectors = model.injectors[static_cast<size_t>(cell.kind)];
  if (plan_.stratified) {
    const auto index = static_cast<size_t>(cell.cell);
    injection = injectors.front().apply(map_strata_[index].draw(
        stratum_orders_[index].at(static_cast<size_t>(trial)), seed, static_cast<uint64_t>(trial)));
    return;
  }
  if (plan_.single_fault == SingleFault::kOff) {
    const auto level = static_cast<size_t>(cell.level);
    injectors[std::min(level, injectors.size() - 1)].inject(
        plan_.levels[level].rate, seed, static_cast<uint64_t>(trial), injection);
    return;
  }
  const Stratum& stratum = model.strata[static_cast<size_t>(cell.level)];
  const auto& order = fault_orders_.at({cell.model, cell.level});
  fault::FaultMap map;
  map.faults.push_back(
      {.site = {.tensor = stratum.tensor,
                .bit = stratum.bit,
                .element = order[static_cast<size_t>(trial)]},
       .kind = fault::parse_fault_kind(plan_.kinds[static_cast<size_t>(cell.kind)].name)});
  injection = injectors.front().apply(map);
}

int64_t Workload::slice_size(std::span<const store::TrialKey> keys) {
  if (keys.empty()) return 0;
  const store::CellRow& cell = cells_[static_cast<size_t>(keys.front().cell)];
  const PlanModel& model = models_[static_cast<size_t>(cell.model)];
  const int64_t subject = model.subjects[static_cast<size_t>(cell.kind)];
  const int64_t ahead =
      options_.jobs_ahead.value_or(engine_of(subjects_[static_cast<size_t>(subject)]).jobs_ahead());
  prepares_ahead_ = ahead > 0;
  return prepares_ahead_ ? ahead : std::ssize(keys);
}

void Workload::order_faults(std::span<const store::TrialKey> keys) {
  if (plan_.single_fault == SingleFault::kOff) return;
  for (const store::TrialKey& key : keys) {
    const store::CellRow& cell = cells_[static_cast<size_t>(key.cell)];
    auto& order = fault_orders_[{cell.model, cell.level}];
    if (order.empty()) {
      const auto& strata = models_[static_cast<size_t>(cell.model)].strata;
      order = fault_order(strata[static_cast<size_t>(cell.level)], plan_.seed);
    }
  }
}

void Workload::prepare(std::span<const store::TrialKey> keys, uint64_t seed,
                       std::vector<Prepared>& prepared) const {
  prepared.resize(keys.size());
  parallel_for(std::ssize(keys), threads_, [&](int64_t i) {
    const store::TrialKey& key = keys[static_cast<size_t>(i)];
    const store::CellRow& cell = cells_[static_cast<size_t>(key.cell)];
    Prepared& trial = prepared[static_cast<size_t>(i)];
    inject(cell, key.trial, seed, trial.injection);
    trial.row = {.cell = key.cell,
                 .trial = key.trial,
                 .drawn = trial.injection.counts.drawn,
                 .landed = trial.injection.counts.landed};
    trial.subject =
        models_[static_cast<size_t>(cell.model)].subjects[static_cast<size_t>(cell.kind)];
    trial.images.clear();
    if (images_per_trial() < images().count) {
      trial.images = image_subset(seed, key.trial, images().count, images_per_trial());
    }
  });
}

/// Draws a slice of the trials while the engine runs the one before it.
std::vector<store::TrialRow> Workload::run(std::span<const store::TrialKey> keys, uint64_t seed) {
  run_goldens();
  const auto slice = static_cast<size_t>(slice_size(keys));
  const auto slice_at = [&](size_t at) {
    return at < keys.size() ? keys.subspan(at, std::min(slice, keys.size() - at))
                            : std::span<const store::TrialKey>();
  };
  order_faults(keys);
  prepare(slice_at(0), seed, now_);
  std::vector<store::TrialRow> rows;
  for (size_t at = 0; at < keys.size(); at += slice) {
    const auto following = slice_at(at + slice);
    std::future<void> drawn;  // waits where the engine throws
    if (!following.empty()) {
      drawn = std::async(std::launch::async, [&] { prepare(following, seed, next_); });
    }
    run_prepared(now_);
    for (const Prepared& trial : now_) rows.push_back(trial.row);
    if (drawn.valid()) drawn.get();
    now_.swap(next_);
  }
  return rows;
}

void Workload::run_prepared(std::span<Prepared> prepared) {
  std::vector<int64_t> subjects;
  for (const Prepared& trial : prepared) subjects.push_back(trial.subject);
  std::sort(subjects.begin(), subjects.end());
  subjects.erase(std::unique(subjects.begin(), subjects.end()), subjects.end());
  for (const int64_t subject : subjects) run_group(prepared, subject);
}

void Workload::run_group(std::span<Prepared> prepared, int64_t subject_index) {
  Subject& subject = subjects_[static_cast<size_t>(subject_index)];
  std::vector<Prepared*> changed;
  for (Prepared& trial : prepared) {
    if (trial.subject != subject_index) continue;
    if (changes_nothing(trial.injection)) {
      score_unchanged(*subject.golden, trial.images, trial.row);
    } else {
      changed.push_back(&trial);
    }
  }
  const auto row_bytes =
      images_per_trial() * subject.golden->classes * static_cast<int64_t>(sizeof(float));
  const auto at_once = static_cast<size_t>(std::max<int64_t>(1, kLogitBytes / row_bytes));
  for (std::span<Prepared*> left = changed; !left.empty();) {
    const size_t count = std::min(at_once, left.size());
    run_jobs(left.first(count), subject, engine_of(subject));
    left = left.subspan(count);
  }
}

void Workload::run_jobs(std::span<Prepared*> changed, Subject& subject, engine::Engine& engine) {
  const auto row_size = static_cast<size_t>(images_per_trial() * subject.golden->classes);
  logits_.resize(std::max(logits_.size(), changed.size() * row_size));
  std::vector<engine::Job> jobs(changed.size());
  for (size_t i = 0; i < changed.size(); ++i) {
    jobs[i].weights = std::move(changed[i]->injection.weights);
    jobs[i].biases = std::move(changed[i]->injection.biases);
    jobs[i].activations = changed[i]->injection.activations.get();
    jobs[i].images = changed[i]->images;
    jobs[i].logits = std::span(logits_).subspan(i * row_size, row_size);
  }
  engine.run(jobs);
  parallel_for(static_cast<int64_t>(jobs.size()), threads_, [&](int64_t i) {
    Prepared& trial = *changed[static_cast<size_t>(i)];
    engine::Job& job = jobs[static_cast<size_t>(i)];
    score(*subject.golden, trial.images, job.logits, trial.row);
    trial.injection.weights = std::move(job.weights);  // the next trial uses its memory
    trial.injection.biases = std::move(job.biases);
  });
}

}  // namespace flatenn::campaign
