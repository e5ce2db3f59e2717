#include <nanobind/stl/string.h>

#include <algorithm>
#include <numeric>

#include "bindings.h"
#include "flatenn/base/error.h"
#include "flatenn/base/parallel.h"
#include "flatenn/engine/devices.h"
#include "flatenn/engine/engine.h"
#include "flatenn/engine/evaluate.h"

namespace flatenn::python {
namespace {

/// Images that take about a tenth of a second: Ctrl-C is looked for between two such parts.
int64_t images_at_once(const net::Network& network) {
  constexpr int64_t kMacs = 10'000'000'000;
  int64_t macs = 1;
  for (const net::Layer& layer : network.layers) macs += net::macs(network, layer);
  return std::clamp<int64_t>(kMacs / macs, 64, 16384);
}

struct Runner {
  std::shared_ptr<const engine::ImageCodes> codes;
  std::unique_ptr<engine::Engine> engine;
};

Runner make_runner(const NetworkHandle& net, const ImagesHandle& images, const std::string& engine,
                   int64_t threads) {
  net.that_runs();
  Runner runner;
  runner.codes = engine::quantize_images(*images.images, *net.network, resolve_threads(threads));
  runner.engine =
      engine::make_engine(net.network, runner.codes, engine::engine_options(engine, threads));
  return runner;
}

/// Calls work(first, indices) for parts of all images, with Python's signals looked at in between.
template <typename Work>
void in_parts(int64_t count, int64_t at_once, const Work& work) {
  std::vector<int64_t> indices;
  for (int64_t first = 0; first < count; first += at_once) {
    check_signals();
    indices.resize(static_cast<size_t>(std::min(at_once, count - first)));
    std::iota(indices.begin(), indices.end(), first);
    work(first, std::span<const int64_t>(indices));
  }
}

std::vector<float> logits_of(const NetworkHandle& net, const ImagesHandle& images,
                             const std::string& engine, int64_t threads) {
  const Runner runner = make_runner(net, images, engine, threads);
  const int64_t classes = net.network->classes();
  std::vector<float> logits(static_cast<size_t>(runner.codes->count * classes));
  in_parts(runner.codes->count, images_at_once(*net.network),
           [&](int64_t first, std::span<const int64_t> part) {
             engine::Job job;
             job.images = part;
             job.logits = std::span(logits).subspan(static_cast<size_t>(first * classes),
                                                    part.size() * static_cast<size_t>(classes));
             runner.engine->run({&job, 1});
           });
  return logits;
}

NumpyArray<float> run(const NetworkHandle& net, const ImagesHandle& images,
                      const std::string& engine, int64_t threads) {
  std::vector<float> logits;
  {
    const nb::gil_scoped_release nogil;
    logits = logits_of(net, images, engine, threads);
  }
  return to_numpy(std::move(logits), {static_cast<size_t>(images.images->count),
                                      static_cast<size_t>(net.network->classes())});
}

NumpyArray<int16_t> codes(const NetworkHandle& net, const ImagesHandle& images, int64_t activation,
                          const std::string& engine, int64_t threads) {
  net.that_runs();
  FLATENN_CHECK(activation >= 0 && activation < std::ssize(net.network->activations),
                "activation: there is no number ", activation);
  const net::Shape shape = net.network->activations[static_cast<size_t>(activation)].shape;
  std::vector<int16_t> all;
  {
    const nb::gil_scoped_release nogil;
    const Runner runner = make_runner(net, images, engine, threads);
    all.reserve(static_cast<size_t>(runner.codes->count * shape.elements()));
    in_parts(runner.codes->count, images_at_once(*net.network),
             [&](int64_t, std::span<const int64_t> part) {
               engine::Job job;
               job.images = part;
               const std::vector<int16_t> some = runner.engine->codes(job, activation);
               all.insert(all.end(), some.begin(), some.end());
             });
  }
  return to_numpy(std::move(all),
                  {static_cast<size_t>(images.images->count), static_cast<size_t>(shape.channels),
                   static_cast<size_t>(shape.height), static_cast<size_t>(shape.width)});
}

nb::dict evaluate(const NetworkHandle& net, const ImagesHandle& images, const std::string& engine,
                  int64_t threads) {
  engine::Evaluation result;
  {
    const nb::gil_scoped_release nogil;
    result = engine::evaluate(logits_of(net, images, engine, threads), net.network->classes(),
                              images.images->labels);
  }
  nb::dict row;
  row["images"] = result.images;
  row["correct"] = result.correct;
  row["accuracy"] = result.accuracy();
  row["loss"] = result.loss;
  return row;
}

}  // namespace

void bind_run(nb::module_& module) {
  module.def("run", run, nb::arg("network"), nb::arg("images"), nb::arg("engine"),
             nb::arg("threads"), "Logits [N, classes].");
  module.def("codes", codes, nb::arg("network"), nb::arg("images"), nb::arg("activation"),
             nb::arg("engine"), nb::arg("threads"), "Codes [N, C, H, W] of one activation.");
  module.def("evaluate", evaluate, nb::arg("network"), nb::arg("images"), nb::arg("engine"),
             nb::arg("threads"),
             nb::sig("def evaluate(network: Network, images: Images, engine: str, threads: int) "
                     "-> dict[str, typing.Any]"),
             "Images, correct, accuracy, loss.");
}

}  // namespace flatenn::python
