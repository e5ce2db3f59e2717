#include "engine/cpu_choice.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>

#include "engine/general/general_engine.h"
#include "engine/lanes/lanes_engine.h"
#include "engine/onednn/onednn_engine.h"
#include "engine/process_time.h"
#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/base/parallel.h"

namespace flatenn::engine {
namespace {

/// Below this work (multiply-accumulates, some 0.2 s of two cores with VNNI) compiling oneDNN's
/// kernels costs more than they can save.
constexpr int64_t kWorthMeasuring = 50'000'000'000;
/// A measurement runs each image eight times; it may take a quarter of the work at most.
constexpr int64_t kLeastPasses = 4 * 8;
/// Images a thread for the measurement: enough for a full chunk of small networks.
constexpr int64_t kImagesOfSmall = 64;
constexpr int64_t kImagesOfLarge = 16;
constexpr int64_t kLargeMacs = 20'000'000;
constexpr int kRepetitions = 3;

struct Choice {
  bool onednn = false;
  std::string reason;
};

int64_t total_macs(const net::Network& network) {
  int64_t macs = 0;
  for (const net::Layer& layer : network.layers) macs += net::macs(network, layer);
  return macs;
}

/// All that speed depends on: shapes, bits, threads.
std::string key_of(const net::Network& network, int64_t threads) {
  std::ostringstream key;
  key << threads << '/' << isa_name(best_isa());
  for (const net::Activation& a : network.activations) {
    key << ';' << a.shape.channels << 'x' << a.shape.height << 'x' << a.shape.width << ':' << a.bits
        << a.is_signed;
  }
  for (const net::Layer& layer : network.layers) {
    key << ';' << static_cast<int>(layer.kind) << ',' << layer.src << ',' << layer.skip << ','
        << layer.stride() << ',' << layer.groups << ',' << layer.weights.kernel_height << ','
        << layer.weights.kernel_width << ',' << layer.weights.bits
        << static_cast<int>(layer.weights.value_map);
  }
  return key.str();
}

std::shared_ptr<const ImageCodes> first_images(const ImageCodes& images, int64_t count) {
  const int64_t size = count * images.shape.elements();
  auto some = std::make_shared<ImageCodes>(ImageCodes{.shape = images.shape, .count = count});
  some->codes.assign(images.codes.begin(), images.codes.begin() + size);
  return some;
}

struct Timing {
  std::string name;
  double seconds = 0;  ///< Processor time of the fastest repetition, all threads: other load
                       ///< does not count.
  std::vector<float> logits;
};

Timing measure(Engine& engine, const net::Network& network, const ImageCodes& images) {
  Timing timing{.name = engine.name(), .logits = golden_logits(engine, network, images)};
  for (int i = 0; i < kRepetitions; ++i) {
    Job job{.logits = timing.logits};
    const double before = process_seconds();
    engine.run({&job, 1});
    const double seconds = process_seconds() - before;
    timing.seconds = i == 0 ? seconds : std::min(timing.seconds, seconds);
  }
  return timing;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::string describe(const Timing& timing) {
  char text[64];
  std::snprintf(text, sizeof text, " %.2f ms", 1e3 * timing.seconds);
  return timing.name + text;
}

int64_t images_to_measure(const net::Network& network, const ImageCodes& images, int64_t threads) {
  const int64_t a_thread = total_macs(network) < kLargeMacs ? kImagesOfSmall : kImagesOfLarge;
  return std::min(images.count, a_thread * threads);
}

Choice measured_choice(const std::shared_ptr<const net::Network>& network, const ImageCodes& images,
                       int64_t threads) {
  const auto some = first_images(images, images_to_measure(*network, images, threads));
  const auto lanes_engine = make_lanes_engine(network, some, {.threads = threads});
  const auto onednn_engine = make_onednn_engine(network, some, threads);
  const Timing lanes = measure(*lanes_engine, *network, *some);
  const Timing onednn = measure(*onednn_engine, *network, *some);
  if (!same_bits(lanes.logits, onednn.logits)) {
    log::warn("engine: ", lanes.name, " and ", onednn.name, " differ on ", network->name,
              "; own kernels run. Please report this with the output of flatenn eval --engine "
              "check");
    return {false, "oneDNN is not exact here"};
  }
  return {onednn.seconds < lanes.seconds, detail::concat("measured on ", some->count, " images: ",
                                                         describe(lanes), ", ", describe(onednn))};
}

/// FLATENN_CPU_ENGINE, where it says something.
std::optional<Choice> wanted_choice() {
  const char* wanted = std::getenv("FLATENN_CPU_ENGINE");
  if (wanted == nullptr || *wanted == '\0') return {};
  const std::string name = wanted;
  FLATENN_CHECK(name == "lanes" || name == "onednn",
                "FLATENN_CPU_ENGINE: expected lanes or onednn, got ", name);
  return Choice{name == "onednn", "by FLATENN_CPU_ENGINE"};
}

/// What this process has measured.
std::mutex g_mutex;
std::map<std::string, Choice> g_choices;

Choice choose(const std::shared_ptr<const net::Network>& network, const ImageCodes& images,
              const EngineOptions& options) {
  if (const auto wanted = wanted_choice()) return *wanted;
  if (const auto unfit = onednn_unfit(*network)) return {false, *unfit};
  const int64_t threads = resolve_threads(options.threads);
  const int64_t work = images.count * options.passes;
  if (work < kLeastPasses * images_to_measure(*network, images, threads) ||
      work * total_macs(*network) < kWorthMeasuring) {
    return {false, "too little to do for a measurement"};
  }
  const std::lock_guard lock(g_mutex);
  const std::string key = key_of(*network, threads);
  const auto known = g_choices.find(key);
  if (known != g_choices.end()) return known->second;
  return g_choices.emplace(key, measured_choice(network, images, threads)).first->second;
}

}  // namespace

std::unique_ptr<Engine> make_cpu_engine(std::shared_ptr<const net::Network> network,
                                        std::shared_ptr<const ImageCodes> images,
                                        const EngineOptions& options) {
  const int64_t threads = resolve_threads(options.threads);
  if (!network->has_plain_layers()) {
    return make_general_engine(std::move(network), std::move(images), {.threads = threads});
  }
  const Choice choice = choose(network, *images, options);
  log::debug("engine: ", choice.onednn ? "oneDNN" : "own kernels", " for ", network->name, " (",
             choice.reason, ")");
  if (choice.onednn) {
    return make_onednn_engine(std::move(network), std::move(images), threads);
  }
  return make_lanes_engine(std::move(network), std::move(images), {.threads = threads});
}

std::string explain_cpu_choice(const std::shared_ptr<const net::Network>& network,
                               const ImageCodes& images, const EngineOptions& options) {
  if (!network->has_plain_layers()) return "own kernels for any layer kind run what others do not";
  return choose(network, images, options).reason;
}

}  // namespace flatenn::engine
