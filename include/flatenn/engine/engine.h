#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flatenn/base/mappable_vector.h"
#include "flatenn/data/image_set.h"
#include "flatenn/fault/activation_faults.h"
#include "flatenn/fault/change.h"
#include "flatenn/net/network.h"

/// Runs frozen networks. Every engine gives the reference engine's bits, on every machine, thread
/// count and batch size.
namespace flatenn::engine {

/// The images an engine reads: codes of the network's input, quantized once.
struct ImageCodes {
  net::Shape shape;
  int64_t count = 0;
  MappableVector<int8_t>
      codes;  ///< [count, channels, height, width]; unsigned codes as their byte.
};
/// code = clamp(round-half-even(x / scale) + zero_point) of the network's input, with x the pixel
/// as network.image makes it. Throws Error where the shapes differ.
std::shared_ptr<const ImageCodes> quantize_images(const data::ImageSet& images,
                                                  const net::Network& network, int64_t threads = 1);

using fault::BiasChange;
using fault::WeightChange;

/// One faulty (or fault-free) pass. Elements are changed at most once.
struct Job {
  std::vector<WeightChange> weights;
  std::vector<BiasChange> biases;
  const fault::ActivationFaults* activations = nullptr;  ///< Not owned; null: none.
  std::span<const int64_t> images;  ///< Indices into the ImageCodes; empty: all, in order.
  std::span<float> logits;          ///< Written: [images, classes].
};

/// An engine is bound to one network and one set of images and owns its scratch memory; it may be
/// used by one thread at a time and runs its own threads inside.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::string name() const = 0;  ///< "reference", "onednn/avx512_core_vnni", "cuda:0/..."

  /// Runs all jobs. Layers before the first faulty one may be taken from the golden pass.
  virtual void run(std::span<Job> jobs) = 0;

  /// Jobs worth having ready while it runs others: an engine on a device leaves the host's cores
  /// idle. 0: it keeps them busy itself.
  virtual int64_t jobs_ahead() const { return 0; }

  /// Codes of one activation for the given images, CHW row-major (signed or unsigned as the
  /// activation says), for checkers and sparsity counts. Faults of `job` apply; its logits are not
  /// written. Not for logits.
  virtual std::vector<int16_t> codes(const Job& job, int64_t activation) = 0;

  /// Zeros among the codes of every activation over the job's images, [activations]; 0 for logits.
  /// Nothing where the engine has no faster way than codes().
  virtual std::optional<std::vector<int64_t>> count_zeros(const Job& /*job*/) { return {}; }

  /// Thread-seconds spent in each layer during one fault-free pass over all images, [layers]; a
  /// pool that runs inside the layer before it takes 0. Nothing where the engine cannot tell.
  virtual std::optional<std::vector<double>> time_layers() { return {}; }
};

enum class EngineKind {
  kReference,  ///< Plain loops; what every other engine is compared with.
  kCpu,      ///< The faster of the next two for a plain network, by measurement; else kGeneral, or
             ///< kReference where a layer rounds in fixed point.
  kLanes,    ///< Own kernels.
  kOneDnn,   ///< oneDNN's products where they are exact, own kernels elsewhere.
  kGeneral,  ///< Own kernels for any layer kind.
  kCuda,
};

struct EngineOptions {
  EngineKind kind = EngineKind::kCpu;
  int64_t threads = 0;  ///< 0: all cores.
  int64_t device = 0;   ///< Of kCuda: the number of the GPU.
  int64_t passes = 1;   ///< Over all images, as far as known; kCpu measures where it pays.
};

/// "reference", "cpu", "lanes", "onednn", "general", "cuda".
const std::vector<std::string>& engine_kind_names();
/// Throws Error listing the choices.
EngineKind parse_engine_kind(const std::string& name);

/// Throws Error where the kind was not built in or this machine lacks what it needs.
std::unique_ptr<Engine> make_engine(std::shared_ptr<const net::Network> network,
                                    std::shared_ptr<const ImageCodes> images,
                                    const EngineOptions& options);

/// How kCpu chooses for this network, these images and options: "measured on 128 images:
/// lanes/avx512vnni 1.90 ms, onednn/... 7.51 ms", or why nothing was measured.
std::string explain_cpu_choice(const std::shared_ptr<const net::Network>& network,
                               const ImageCodes& images, const EngineOptions& options);

/// Fault-free logits of all images, [count, classes].
std::vector<float> golden_logits(Engine& engine, const net::Network& network,
                                 const ImageCodes& images);

}  // namespace flatenn::engine
