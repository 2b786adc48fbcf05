// The seam between the addon and the shared object that links NVIDIA's libraries.
//
// They are apart because a program that names libnvinfer among its needs does not start where it is missing: the addon
// must load, and fall back to the CPU, on a machine without TensorRT, with another major version of it, or without a
// driver. dlopen of one module of ours leaves every symbol to the linker, and its message names the library that is
// missing. Both sides are built together, so C++ types may cross; the number in the entry's name changes with them.
#pragma once

#include "engine.h"

#define FACELATCH_TENSORRT_ENTRY facelatch_tensorrt_4

extern "C" {
/// Throws facelatch::Error.
using FacelatchTensorRtEntry = void (*)(const facelatch::TensorRtOptions&, std::shared_ptr<facelatch::EngineFactory>&);
}
