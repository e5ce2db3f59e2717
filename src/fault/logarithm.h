#pragma once

namespace flatenn::fault {

/// -log(u) for u in (0, 1), the same bits on every machine: built from IEEE additions,
/// multiplications and divisions alone (the last bit of libm's logarithm differs between
/// libraries). Within 2^-52 relative of the true value.
double negative_log(double u);

}  // namespace flatenn::fault
