# CUDA and TensorRT where JetPack, Debian's packages or NVIDIA's tar file put them, or under TENSORRT_ROOT and
# CUDAToolkit_ROOT (variables of CMake or of the environment). Without them the addon is built for the CPU alone.
set(TENSORRT_ROOT "$ENV{TENSORRT_ROOT}" CACHE PATH "Where TensorRT's include and lib are")
set(CUDAToolkit_ROOT "$ENV{CUDAToolkit_ROOT}" CACHE PATH "Where CUDA's include and lib64 are")
set(triple ${CMAKE_SYSTEM_PROCESSOR}-linux-gnu)

find_path(TENSORRT_INCLUDE_DIR NvInfer.h HINTS ${TENSORRT_ROOT} $ENV{TENSORRT_ROOT} PATHS /usr/include/${triple} /usr/local/tensorrt
          /opt/tensorrt /usr/src/tensorrt PATH_SUFFIXES include)
find_path(CUDART_INCLUDE_DIR cuda_runtime_api.h HINTS ${CUDAToolkit_ROOT} $ENV{CUDAToolkit_ROOT} PATHS /usr/local/cuda /usr/local/cuda/targets/${triple}
          PATH_SUFFIXES include)
foreach(name nvinfer nvonnxparser)
  # The tar file and the packages have an unversioned name; a runtime-only installation has none.
  find_library(${name}_LIBRARY NAMES ${name} lib${name}.so.11 lib${name}.so.10 lib${name}.so.8 HINTS ${TENSORRT_ROOT} $ENV{TENSORRT_ROOT}
               PATHS /usr/lib/${triple} /usr/local/tensorrt /opt/tensorrt PATH_SUFFIXES lib lib64)
endforeach()
find_library(CUDART_LIBRARY NAMES cudart libcudart.so.13 libcudart.so.12 HINTS ${CUDAToolkit_ROOT} $ENV{CUDAToolkit_ROOT} PATHS /usr/local/cuda
             /usr/local/cuda/targets/${triple} PATH_SUFFIXES lib64 lib)

find_program(NVCC nvcc HINTS ${CUDAToolkit_ROOT} $ENV{CUDAToolkit_ROOT} PATHS /usr/local/cuda PATH_SUFFIXES bin)

if(TENSORRT_INCLUDE_DIR AND CUDART_INCLUDE_DIR AND nvinfer_LIBRARY AND nvonnxparser_LIBRARY AND CUDART_LIBRARY AND NVCC)
  set(FACELATCH_TENSORRT ON)
  message(STATUS "TensorRT: ${nvinfer_LIBRARY}, CUDA: ${CUDART_LIBRARY}")
  # CMake's own CUDA support would want nvcc in the PATH, which JetPack leaves out. For the GPU that is here, or, built
  # elsewhere, what the driver can compile for any.
  set(CUDA_ARCHITECTURE "" CACHE STRING "nvcc's -arch; empty for the GPU of this machine")
  if(NOT CUDA_ARCHITECTURE)
    execute_process(COMMAND ${NVCC} -arch=native --dryrun -c ${CMAKE_CURRENT_SOURCE_DIR}/cuda_shot.cu
                    RESULT_VARIABLE no_native OUTPUT_QUIET ERROR_QUIET)
    if(NOT no_native)
      set(CUDA_ARCHITECTURE native)
    endif()
  endif()
  set(architecture)
  if(CUDA_ARCHITECTURE)
    set(architecture -arch=${CUDA_ARCHITECTURE})
  endif()
  set(shot_object ${CMAKE_CURRENT_BINARY_DIR}/cuda_shot.o)
  add_custom_command(OUTPUT ${shot_object}
    COMMAND ${NVCC} ${architecture} -std=c++17 -O3 --fmad=false
            -Xcompiler=-fPIC,-fvisibility=hidden -I${CUDART_INCLUDE_DIR} -c ${CMAKE_CURRENT_SOURCE_DIR}/cuda_shot.cu -o ${shot_object}
    DEPENDS cuda_shot.cu cuda_shot.h shot.h image.h nv12.h VERBATIM)
  add_library(facelatch-tensorrt MODULE digest.cc engine.cc engine_tensorrt.cc image.cc nv12.cc plan_cache.cc shot.cc warp.cc tensorrt_batch.cc
              tensorrt_build.cc tensorrt_context.cc ${shot_object})
  set_target_properties(facelatch-tensorrt PROPERTIES PREFIX "" SUFFIX ".so")
  target_include_directories(facelatch-tensorrt PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_include_directories(facelatch-tensorrt SYSTEM PRIVATE ${TENSORRT_INCLUDE_DIR} ${CUDART_INCLUDE_DIR})
  # TensorRT deprecates what its older versions, which JetPack still has, cannot do without.
  target_compile_options(facelatch-tensorrt PRIVATE -Wno-deprecated-declarations)
  target_link_libraries(facelatch-tensorrt PRIVATE ${nvinfer_LIBRARY} ${nvonnxparser_LIBRARY} ${CUDART_LIBRARY}
                        Threads::Threads)
  # Every symbol has its library now, not at a door at night.
  target_link_options(facelatch-tensorrt PRIVATE -Wl,--no-undefined -Wl,--exclude-libs,ALL)
  add_executable(facelatch-cuda-check check/cutting.cc ${shot_object})
  target_include_directories(facelatch-cuda-check SYSTEM PRIVATE ${CUDART_INCLUDE_DIR})
  target_link_libraries(facelatch-cuda-check PRIVATE facelatch_nets ${CUDART_LIBRARY})
  add_dependencies(facelatch-cuda-check facelatch-tensorrt)  # one of them makes the object
else()
  set(FACELATCH_TENSORRT OFF)
  # One built before would be taken for ours.
  file(REMOVE ${CMAKE_CURRENT_BINARY_DIR}/facelatch-tensorrt.so)
  message(STATUS "TensorRT: not found, CPU only (TensorRT, CUDA and nvcc are needed; set TENSORRT_ROOT and CUDAToolkit_ROOT where they are elsewhere)")
endif()
