#include "flatenn/base/version.h"

namespace flatenn {

const char* version() { return FLATENN_VERSION; }

}  // namespace flatenn
