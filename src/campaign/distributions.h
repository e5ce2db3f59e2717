#pragma once

/// The few distribution functions that intervals need, accurate to a relative 1e-10 or better.
namespace flatenn::campaign {

/// I_x(a, b), the distribution function of a Beta(a, b) variable; a, b > 0, x in [0, 1]. By the
/// continued fraction of the incomplete beta function (DLMF 8.17.22), evaluated from its front.
double incomplete_beta(double a, double b, double x);
/// The x with I_x(a, b) = p, by bisection to the last bit.
double beta_quantile(double p, double a, double b);

/// P(T <= t) and its inverse for Student's t with `degrees` degrees of freedom.
double student_cdf(double t, double degrees);
double student_quantile(double p, double degrees);

double normal_cdf(double z);
double normal_quantile(double p);  ///< p in (0, 1).

}  // namespace flatenn::campaign
