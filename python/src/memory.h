#pragma once

#include "bindings.h"

namespace flatenn::python {

/// Throws Error unless the network holds what a network of weights alone may: layers with codes in
/// their range and a scale, no activations.
void check_memory(const net::Network& network);

void bind_memory(nb::class_<NetworkHandle>& type);

}  // namespace flatenn::python
