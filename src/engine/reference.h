#pragma once

#include <map>

#include "flatenn/engine/engine.h"

namespace flatenn::engine {

/// Everything a pass computes.
struct Trace {
  std::vector<std::vector<int16_t>> codes;  ///< [activation][image, CHW]; none of the logits.
  std::vector<float> logits;                ///< [images, classes]
};

/// Plain loops, written to be obviously right; other engines are compared with it. Images run on
/// several threads, each image alone.
class ReferenceEngine final : public Engine {
 public:
  ReferenceEngine(std::shared_ptr<const net::Network> network,
                  std::shared_ptr<const ImageCodes> images, int64_t threads);
  std::string name() const override { return "reference"; }
  void run(std::span<Job> jobs) override;
  std::vector<int16_t> codes(const Job& job, int64_t activation) override;
  /// The codes of all activations and the logits in one pass. Where `given` holds an activation's
  /// codes [image, CHW], later layers read those in place of what was computed.
  Trace trace(const Job& job, const std::map<int64_t, std::vector<int16_t>>& given = {});
  std::optional<std::vector<int64_t>> count_zeros(const Job& job) override;

 private:
  int64_t image_index(const Job& job, int64_t i) const;

  std::shared_ptr<const net::Network> network_;
  std::shared_ptr<const ImageCodes> images_;
  int64_t threads_;
};

}  // namespace flatenn::engine
