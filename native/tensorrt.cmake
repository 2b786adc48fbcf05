# CUDA and TensorRT where JetPack, Debian's packages or NVIDIA's tar file put them, or under TENSORRT_ROOT and
# CUDAToolkit_ROOT (variables of CMake or of the environment). Without them the addon is built for the CPU alone.
set(TENSORRT_ROOT "$ENV{TENSORRT_ROOT}" CACHE PATH "Where TensorRT's include and lib are")
set(CUDAToolkit_ROOT "$ENV{CUDAToolkit_ROOT}" CACHE PATH "Where CUDA's include and lib64 are")
set(triple ${CMAKE_SYSTEM_PROCESSOR}-linux-gnu)

find_path(TENSORRT_INCLUDE_DIR NvInfer.h HINTS ${TENSORRT_ROOT} PATHS /usr/include/${triple} /usr/local/tensorrt
          /opt/tensorrt /usr/src/tensorrt PATH_SUFFIXES include)
find_path(CUDART_INCLUDE_DIR cuda_runtime_api.h HINTS ${CUDAToolkit_ROOT} PATHS /usr/local/cuda /usr/local/cuda/targets/${triple}
          PATH_SUFFIXES include)
foreach(name nvinfer nvonnxparser)
  # The tar file and the packages have an unversioned name; a runtime-only installation has none.
  find_library(${name}_LIBRARY NAMES ${name} lib${name}.so.11 lib${name}.so.10 lib${name}.so.8 HINTS ${TENSORRT_ROOT}
               PATHS /usr/lib/${triple} /usr/local/tensorrt /opt/tensorrt PATH_SUFFIXES lib lib64)
endforeach()
find_library(CUDART_LIBRARY NAMES cudart libcudart.so.13 libcudart.so.12 HINTS ${CUDAToolkit_ROOT} PATHS /usr/local/cuda
             /usr/local/cuda/targets/${triple} PATH_SUFFIXES lib64 lib)

if(TENSORRT_INCLUDE_DIR AND CUDART_INCLUDE_DIR AND nvinfer_LIBRARY AND nvonnxparser_LIBRARY AND CUDART_LIBRARY)
  set(FACELATCH_TENSORRT ON)
  message(STATUS "TensorRT: ${nvinfer_LIBRARY}, CUDA: ${CUDART_LIBRARY}")
  add_library(facelatch-tensorrt MODULE digest.cc engine_tensorrt.cc engine_tensorrt_build.cc plan_cache.cc)
  set_target_properties(facelatch-tensorrt PROPERTIES PREFIX "" SUFFIX ".so")
  target_include_directories(facelatch-tensorrt PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_include_directories(facelatch-tensorrt SYSTEM PRIVATE ${TENSORRT_INCLUDE_DIR} ${CUDART_INCLUDE_DIR})
  # TensorRT deprecates what its older versions, which JetPack still has, cannot do without.
  target_compile_options(facelatch-tensorrt PRIVATE -Wno-deprecated-declarations)
  target_link_libraries(facelatch-tensorrt PRIVATE ${nvinfer_LIBRARY} ${nvonnxparser_LIBRARY} ${CUDART_LIBRARY}
                        Threads::Threads)
  # Every symbol has its library now, not at a door at night.
  target_link_options(facelatch-tensorrt PRIVATE -Wl,--no-undefined -Wl,--exclude-libs,ALL)
else()
  set(FACELATCH_TENSORRT OFF)
  message(STATUS "TensorRT: not found, CPU only (set TENSORRT_ROOT and CUDAToolkit_ROOT where they are elsewhere)")
endif()
