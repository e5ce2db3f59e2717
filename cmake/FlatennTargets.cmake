# Warnings and exact floating point, carried by targets and never exported.
add_library(flatenn_options INTERFACE)
target_compile_features(flatenn_options INTERFACE cxx_std_20)
target_compile_options(flatenn_options INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wshadow;-Wconversion;-Wsign-conversion>"
  # Members left out of a designated initializer take their defaults: that is what they are for.
  "$<$<COMPILE_LANGUAGE:CXX>:-Wno-missing-field-initializers>"
  # GCC 12 sees overlaps in "text" + std::string that are none (its bug 105651).
  "$<$<CXX_COMPILER_ID:GNU>:$<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>>"
  # a * b + c must round twice everywhere: results are compared bit for bit between machines.
  "$<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>"
  "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>")

if(FLATENN_HARDEN)
  set(release "$<AND:$<COMPILE_LANGUAGE:CXX>,$<CONFIG:Release>>")
  target_compile_options(flatenn_options INTERFACE
    "$<${release}:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=3;-fstack-protector-strong;-fstack-clash-protection>")
  target_link_options(flatenn_options INTERFACE
    "$<$<CONFIG:Release>:LINKER:-z,relro;LINKER:-z,now;LINKER:-z,noexecstack>")
  include(CheckPIESupported)
  check_pie_supported(LANGUAGES CXX)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
endif()

# flatenn_compile_together(TARGET): several source files a compilation with FLATENN_UNITY; those with flags
# of their own stay alone. Names in unnamed namespaces differ within a namespace for that.
function(flatenn_compile_together target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${FLATENN_UNITY} UNITY_BUILD_BATCH_SIZE 16)
endfunction()

# flatenn_add_library(NAME): the static library flatenn_NAME, alias flatenn::NAME. Each folder adds
# its own sources with target_sources.
function(flatenn_add_library name)
  add_library(flatenn_${name} STATIC)
  add_library(flatenn::${name} ALIAS flatenn_${name})
  set_target_properties(flatenn_${name} PROPERTIES
    EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON LINKER_LANGUAGE CXX)
  flatenn_compile_together(flatenn_${name})
  target_compile_features(flatenn_${name} PUBLIC cxx_std_20)
  target_include_directories(flatenn_${name}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(flatenn_${name} PRIVATE $<BUILD_INTERFACE:flatenn_options>)
endfunction()
