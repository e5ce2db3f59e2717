# Files carried inside the binary.

# flatenn_find_node_file(VARIABLE PACKAGE FILE): a file of an npm package, looked for as Node does: in
# node_modules of tools/node, then of each folder above it.
function(flatenn_find_node_file variable package file)
  cmake_path(SET folder "${PROJECT_SOURCE_DIR}/tools/node")
  while(TRUE)
    if(EXISTS "${folder}/node_modules/${package}/${file}")
      set(${variable} "${folder}/node_modules/${package}/${file}" PARENT_SCOPE)
      return()
    endif()
    cmake_path(GET folder PARENT_PATH parent)
    if(parent STREQUAL folder)
      break()
    endif()
    set(folder "${parent}")
  endwhile()
  message(FATAL_ERROR "The npm package ${package} is missing. Run ./dev setup (or npm ci in tools/node).")
endfunction()

# flatenn_embed(TARGET NAMESPACE::FUNCTION HEADER FILE): adds to TARGET the definition of
#   std::string_view NAMESPACE::FUNCTION()
# that HEADER declares. It gives the content of FILE, by the assembler's .incbin: no megabytes of C++ to
# compile.
function(flatenn_embed target qualified header file)
  string(REGEX REPLACE "^(.*)::([^:]*)$" "\\1" namespace "${qualified}")
  string(REGEX REPLACE "^(.*)::([^:]*)$" "\\2" name "${qualified}")
  set(source "${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp")
  file(CONFIGURE OUTPUT "${source}" @ONLY CONTENT [[
#include "@header@"

asm(R"(
  .section .rodata
  .global flatenn_@name@_begin
  .global flatenn_@name@_end
flatenn_@name@_begin:
  .incbin "@file@"
flatenn_@name@_end:
  .byte 0
  .text
)");

extern "C" const char flatenn_@name@_begin[];
extern "C" const char flatenn_@name@_end[];

namespace @namespace@ {

std::string_view @name@() { return {flatenn_@name@_begin, flatenn_@name@_end}; }

}  // namespace @namespace@
]])
  set_source_files_properties("${source}" TARGET_DIRECTORY ${target} PROPERTIES OBJECT_DEPENDS "${file}" SKIP_PRECOMPILE_HEADERS ON)
  target_sources(${target} PRIVATE "${source}")
endfunction()
