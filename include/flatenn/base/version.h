#pragma once

namespace flatenn {

/// Version of the library, as in CMakeLists.txt: "0.1.0".
const char* version();

}  // namespace flatenn
