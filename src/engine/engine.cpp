#include "flatenn/engine/engine.h"

#include "engine/cpu_choice.h"
#include "engine/general/general_engine.h"
#include "engine/lanes/lanes_engine.h"
#include "engine/onednn/onednn_engine.h"
#include "engine/reference.h"
#include "flatenn/base/error.h"
#ifdef FLATENN_CUDA
#include "engine/cuda/cuda_engine.h"
#endif

namespace flatenn::engine {
namespace {

void check_fit(const net::Network& network, const ImageCodes& images) {
  network.validate();
  FLATENN_CHECK(images.shape == network.input().shape && images.count > 0,
                "engine: the images do not fit network ", network.name);
}

void check_kind(const net::Network& network, EngineKind kind) {
  const bool any_network =
      kind == EngineKind::kReference || kind == EngineKind::kCpu || kind == EngineKind::kGeneral;
  FLATENN_CHECK(any_network || network.has_plain_layers(), "engine: network ", network.name,
                " holds what only the engines cpu, general and reference run (zero points, sums, "
                "tables, uneven windows)");
  FLATENN_CHECK(kind != EngineKind::kCuda || network.is_plain(), "engine: network ", network.name,
                " takes images that the engine cuda does not (expected signed codes of normalized "
                "pixels)");
}

}  // namespace

const std::vector<std::string>& engine_kind_names() {
  static const std::vector<std::string> names = {"reference", "cpu",     "lanes",
                                                 "onednn",    "general", "cuda"};
  return names;
}

EngineKind parse_engine_kind(const std::string& name) {
  if (name == "reference") return EngineKind::kReference;
  if (name == "cpu") return EngineKind::kCpu;
  if (name == "lanes") return EngineKind::kLanes;
  if (name == "onednn") return EngineKind::kOneDnn;
  if (name == "general") return EngineKind::kGeneral;
  if (name == "cuda") return EngineKind::kCuda;
  throw Error("engine: expected reference, cpu, lanes, onednn, general or cuda, got " + name);
}

std::unique_ptr<Engine> make_engine(std::shared_ptr<const net::Network> network,
                                    std::shared_ptr<const ImageCodes> images,
                                    const EngineOptions& options) {
  check_fit(*network, *images);
  check_kind(*network, options.kind);
  switch (options.kind) {
    case EngineKind::kOneDnn:
      return make_onednn_engine(std::move(network), std::move(images), options.threads);
    case EngineKind::kCpu:
      return make_cpu_engine(std::move(network), std::move(images), options);
    case EngineKind::kLanes:
      return make_lanes_engine(std::move(network), std::move(images), {.threads = options.threads});
    case EngineKind::kGeneral:
      return make_general_engine(std::move(network), std::move(images),
                                 {.threads = options.threads});
    case EngineKind::kReference:
      return std::make_unique<ReferenceEngine>(std::move(network), std::move(images),
                                               options.threads);
    case EngineKind::kCuda:
#ifdef FLATENN_CUDA
      return make_cuda_engine(std::move(network), std::move(images), options);
#else
      throw Error("engine: this build has no CUDA engine (configure with -DFLATENN_CUDA=ON)");
#endif
  }
  throw Error("engine: unknown kind");
}

std::vector<float> golden_logits(Engine& engine, const net::Network& network,
                                 const ImageCodes& images) {
  std::vector<float> logits(static_cast<size_t>(images.count * network.classes()));
  Job job;
  job.logits = logits;
  engine.run({&job, 1});
  return logits;
}

}  // namespace flatenn::engine
