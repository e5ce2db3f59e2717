#pragma once

#include <cstdint>

/// Sums over gradients and the perturbations they make, on the CPU. Sums run in double over blocks
/// of fixed size, whose results are added in order: the same bits with any number of threads.
namespace flatenn::train {

/// sum of x_i^2.
double squared_norm(const float* x, int64_t n);

/// With t_i = |value_i| + eta: sums of (t g)^2 and of (t^2 g)^2.
struct StretchedSums {
  double once = 0;
  double twice = 0;
};
StretchedSums stretched_norms(const float* grad, const float* value, double eta, int64_t n);

/// out = factor * grad, or out += where `add`.
void write_scaled(float* out, const float* grad, double factor, bool add, int64_t n);
/// out = factor * t^2 * grad with t as above, or out +=; `out` may be `value`.
void write_stretched(float* out, const float* grad, const float* value, double eta, double factor,
                     bool add, int64_t n);

}  // namespace flatenn::train
