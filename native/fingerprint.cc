#include "fingerprint.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace facelatch {
namespace {

constexpr int mostRows = 512;
/// Brightest minus darkest value that still counts as no contrast: black is clipped, but for a few hot pixels' glow.
constexpr int leastContrast = 8;

/// FxHash of Firefox and rustc, one multiplication a word; the finaliser of MurmurHash3 (public domain) ends it, so
/// that the bits which are kept depend on all.
uint64_t mix(uint64_t state, uint64_t word) { return (((state << 5) | (state >> 59)) ^ word) * 0x517cc1b727220a95; }

uint64_t finish(uint64_t state) {
  state = (state ^ (state >> 33)) * 0xff51afd7ed558ccd;
  state = (state ^ (state >> 33)) * 0xc4ceb9fe1a85ec53;
  return state ^ (state >> 33);
}

}  // namespace

double fingerprint(const View& picture) {
  const size_t length = static_cast<size_t>(picture.width) * 3;
  const int step = (picture.height + mostRows - 1) / mostRows;
  uint64_t state = mix(mix(1, length), static_cast<uint64_t>(picture.height));
  uint8_t darkest = 255, brightest = 0;
  for (int y = 0; y < picture.height; y += step) {
    const uint8_t* row = picture.pixels + static_cast<size_t>(y) * picture.stride;
    for (size_t at = 0; at < length; ++at) {
      darkest = std::min(darkest, row[at]);
      brightest = std::max(brightest, row[at]);
    }
    for (size_t at = 0; at < length; at += sizeof(uint64_t)) {
      uint64_t word = 0;
      std::memcpy(&word, row + at, std::min(sizeof word, length - at));
      state = mix(state, word);
    }
  }
  if (brightest - darkest < leastContrast) return 0;
  return static_cast<double>((finish(state) >> 12) | 1);
}

}  // namespace facelatch
