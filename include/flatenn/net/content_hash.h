#pragma once

#include <string>

#include "flatenn/net/network.h"

namespace flatenn::net {

/// SHA-256 of everything that decides the network's outputs (structure, codes, scales, biases);
/// metadata and names of the file are not part of it. Of layers without activations, which nothing
/// can run, everything that their memory holds.
std::string content_hash(const Network& network);

}  // namespace flatenn::net
