#pragma once

#include <dnnl.hpp>

#include "calibration/float_names.h"

namespace flatenn::calibration {

/// plain_product() as one oneDNN primitive in float32. Any number of threads may run it at once.
class OneDnnProduct {
 public:
  OneDnnProduct(const dnnl::engine& engine, const FloatOp& op, int64_t images);
  /// src: [images, in], dst: [images, out], CHW.
  void run(const float* src, float* dst) const;

 private:
  dnnl::engine engine_;
  dnnl::memory::desc src_;
  dnnl::memory::desc dst_;
  dnnl::convolution_forward::primitive_desc description_;
  dnnl::convolution_forward primitive_;
  dnnl::memory weights_;
  dnnl::memory bias_;
};

}  // namespace flatenn::calibration
