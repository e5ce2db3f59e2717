#pragma once

#include <string>

namespace flatenn::data {

/// A shared library that is loaded where it is first needed and stays. libcurl and libarchive bring
/// some forty others with them, and linking all of those took more than half of every command's
/// start, though few commands download anything.
class LateLibrary {
 public:
  /// `name` as programs linked with it ask for it ("libcurl.so.4"); `built_with`, its path where
  /// flatenn was built, is tried next. Throws Error that says what it is for.
  LateLibrary(const std::string& name, const std::string& built_with, const std::string& purpose);

  template <typename Function>
  Function* find(const char* function) const {
    return reinterpret_cast<Function*>(address(function));
  }

 private:
  void* address(const char* function) const;

  std::string name_;
  void* handle_;
};

/// A member of that name which holds the function `name` of the LateLibrary `library`.
#define FLATENN_LATE(library, name) decltype(&::name) name = (library).find<decltype(::name)>(#name)

}  // namespace flatenn::data
