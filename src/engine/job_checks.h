#pragma once

#include "flatenn/engine/engine.h"

namespace flatenn::engine {

/// Number of images the job runs over.
inline int64_t job_images(const Job& job, const ImageCodes& images) {
  return job.images.empty() ? images.count : static_cast<int64_t>(job.images.size());
}

/// Throws Error where a job names layers, elements, codes, channels or images that do not exist, or
/// its logits have another size than [images, classes].
void check_job(const net::Network& network, const ImageCodes& images, const Job& job);

/// As check_job, without logits; the activation must exist and hold codes.
void check_codes_request(const net::Network& network, const ImageCodes& images, const Job& job,
                         int64_t activation);

}  // namespace flatenn::engine
