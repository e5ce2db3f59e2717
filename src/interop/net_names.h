#pragma once

#include "flatenn/net/network.h"

namespace flatenn::interop {

// Readers and writers speak of little else.
using net::Activation;
using net::ImageTransform;
using net::Layer;
using net::LayerKind;
using net::Network;
using net::Shape;
using net::ValueMap;
using net::Weights;
using net::Window;

}  // namespace flatenn::interop
