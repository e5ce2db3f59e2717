# Finds LibTorch: -DFLATENN_TORCH=<prefix>, else Debian's libtorch-dev, else the one inside python3's torch.
set(FLATENN_TORCH "" CACHE PATH "LibTorch prefix (the folder that holds share/cmake/Torch)")

function(flatenn_torch_of_python out)
  find_program(python NAMES python3)
  if(NOT python)
    return()
  endif()
  execute_process(
    COMMAND ${python} -c "import torch; print(torch.utils.cmake_prefix_path, end='')"
    OUTPUT_VARIABLE prefix RESULT_VARIABLE failed ERROR_QUIET)
  if(NOT failed)
    set(${out} "${prefix}" PARENT_SCOPE)
  endif()
endfunction()

if(FLATENN_TORCH)
  # Its configuration looks for its parts in the system's folders first.
  foreach(folder "${FLATENN_TORCH}" "${FLATENN_TORCH}/share/cmake")
    if(EXISTS "${folder}/Caffe2/Caffe2Config.cmake")
      set(Caffe2_DIR "${folder}/Caffe2" CACHE PATH "LibTorch's own" FORCE)
    endif()
  endforeach()
  get_filename_component(flatenn_torch_prefix "${FLATENN_TORCH}/../.." ABSOLUTE)
  list(PREPEND CMAKE_LIBRARY_PATH "${FLATENN_TORCH}/lib" "${flatenn_torch_prefix}/lib")
  find_package(Torch REQUIRED PATHS "${FLATENN_TORCH}" "${FLATENN_TORCH}/share/cmake" NO_DEFAULT_PATH)
else()
  find_package(Torch QUIET)
  if(NOT Torch_FOUND)
    flatenn_torch_of_python(prefix)
    find_package(Torch QUIET PATHS "${prefix}")
  endif()
  if(NOT Torch_FOUND)
    message(FATAL_ERROR "LibTorch was not found. Install libtorch-dev, or point -DFLATENN_TORCH at a "
                        "LibTorch or at torch.utils.cmake_prefix_path, or set -DFLATENN_WITH_TORCH=OFF.")
  endif()
endif()
message(STATUS "LibTorch ${Torch_VERSION}: ${TORCH_LIBRARIES}")
