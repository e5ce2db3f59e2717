#include "engine/kernels/lanes/lanes_baseline.h"

#include "engine/kernels/lanes/lanes_impl.h"
#include "engine/kernels/lanes/winograd_impl.h"

namespace flatenn::engine::lanes {

void dot_u8s8s32_baseline(const DotArgs& args) { dot_any<Baseline, false>(args); }
void requantize_s32u8_baseline(const RequantizeArgs& args) { requantize_any<Baseline>(args); }
int64_t peak_u8s8s32_baseline(int64_t rounds) { return peak_any<Baseline>(rounds); }
void winograd_input_baseline(const WinogradInputArgs& args) { winograd_input_any<Baseline>(args); }
void winograd_output_baseline(const WinogradOutputArgs& args) {
  winograd_output_any<Baseline>(args);
}

}  // namespace flatenn::engine::lanes
