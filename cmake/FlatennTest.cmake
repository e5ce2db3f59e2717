include(GoogleTest)
find_package(GTest REQUIRED)

# flatenn_add_test(FOLDER SOURCES... [LIBRARIES ...] [LABELS ...] [WHOLE] [TIMEOUT seconds])
#
# One executable flatenn_FOLDER_test. Its cases are registered one by one with CTest; with WHOLE the
# executable is one test (LibTorch takes a second to load, too long to pay for each case).
function(flatenn_add_test folder)
  cmake_parse_arguments(arg "WHOLE" "TIMEOUT" "SOURCES;LIBRARIES;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  set(target flatenn_${folder}_test)
  add_executable(${target} ${arg_SOURCES})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${target} PRIVATE flatenn_options ${arg_LIBRARIES} GTest::gmock GTest::gtest_main)
  if("flatenn_train" IN_LIST arg_LIBRARIES)
    # LibTorch's headers take longer to read than most tests to run; one precompiled form serves all
    # who compile with its flags.
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
    target_precompile_headers(${target} REUSE_FROM flatenn_train)
  endif()
  if(arg_WHOLE)
    add_test(NAME ${folder} COMMAND ${target})
    set_tests_properties(${folder} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
  else()
    gtest_discover_tests(${target} DISCOVERY_MODE PRE_TEST TEST_PREFIX "${folder}/"
      PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
  endif()
endfunction()
