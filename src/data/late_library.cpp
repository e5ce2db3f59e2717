#include "data/late_library.h"

#include <dlfcn.h>

#include "flatenn/base/error.h"

namespace flatenn::data {

LateLibrary::LateLibrary(const std::string& name, const std::string& built_with,
                         const std::string& purpose)
    : name_(name), handle_(::dlopen(name.c_str(), RTLD_NOW)) {
  if (handle_ != nullptr) return;
  const std::string reason = ::dlerror();
  handle_ = ::dlopen(built_with.c_str(), RTLD_NOW);
  FLATENN_CHECK(handle_ != nullptr, purpose, " needs ", name, ", which cannot be loaded: ", reason);
}

void* LateLibrary::address(const char* function) const {
  void* const found = ::dlsym(handle_, function);
  FLATENN_CHECK(found != nullptr, name_, " has no function ", function);
  return found;
}

}  // namespace flatenn::data
