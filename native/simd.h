// Loops that the compiler makes vectors of, once more for processors with wider ones. The first call chooses.
#pragma once

#include <cstdint>
#include <cstring>

// Without fused multiplication and addition, so that all x64 processors round alike. The sanitizers run before the
// choice can.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define FACELATCH_SIMD __attribute__((target_clones("avx2", "default")))
#else
#define FACELATCH_SIMD
#endif

namespace facelatch {

/// A pixel, and a fourth value that is nobody's.
typedef float Pixel __attribute__((vector_size(16)));
typedef uint8_t PixelBytes __attribute__((vector_size(4)));

/// Reads one byte more than the pixel has.
inline Pixel loaded(const uint8_t* from) {
  PixelBytes bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  return __builtin_convertvector(bytes, Pixel);
}

inline Pixel loaded(const float* from) {
  Pixel pixel;
  std::memcpy(&pixel, from, sizeof pixel);
  return pixel;
}

}  // namespace facelatch
