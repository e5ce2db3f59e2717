#pragma once

#include "flatenn/interop/float_graph.h"

namespace flatenn::calibration {

using interop::FloatGraph;
using interop::FloatKind;
using interop::FloatOp;
using interop::FloatWeights;

}  // namespace flatenn::calibration
