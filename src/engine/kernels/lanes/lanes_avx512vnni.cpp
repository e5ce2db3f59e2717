#include "engine/kernels/lanes/lanes_avx512vnni.h"

#include "engine/kernels/lanes/lanes_impl.h"
#include "engine/kernels/lanes/winograd_impl.h"

namespace flatenn::engine::lanes {

void dot_u8s8s32_avx512vnni(const DotArgs& args) { dot_any<Avx512Vnni, false>(args); }
void requantize_s32u8_avx512vnni(const RequantizeArgs& args) { requantize_any<Avx512Vnni>(args); }
int64_t peak_u8s8s32_avx512vnni(int64_t rounds) { return peak_any<Avx512Vnni>(rounds); }
void winograd_input_avx512vnni(const WinogradInputArgs& args) {
  winograd_input_any<Avx512Vnni>(args);
}
void winograd_output_avx512vnni(const WinogradOutputArgs& args) {
  winograd_output_any<Avx512Vnni>(args);
}

}  // namespace flatenn::engine::lanes
