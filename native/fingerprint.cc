#include "fingerprint.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "nv12.h"

namespace facelatch {
namespace {

constexpr int mostRows = 512;
/// Brightest minus darkest value that still counts as no contrast: black is clipped, but for a few hot pixels' glow.
constexpr int leastContrast = 8;
/// Mean distance of a colour difference from grey's that is no noise of the dark.
constexpr int64_t leastTint = 8;

/// FxHash of Firefox and rustc, one multiplication a word; the finaliser of MurmurHash3 (public domain) ends it, so
/// that the bits which are kept depend on all.
uint64_t mix(uint64_t state, uint64_t word) { return (((state << 5) | (state >> 59)) ^ word) * 0x517cc1b727220a95; }

uint64_t finish(uint64_t state) {
  state = (state ^ (state >> 33)) * 0xff51afd7ed558ccd;
  state = (state ^ (state >> 33)) * 0xc4ceb9fe1a85ec53;
  return state ^ (state >> 33);
}

struct Rows {
  const uint8_t* first;
  size_t length;
  size_t stride;
  int count;
};

struct Seen {
  uint64_t state;
  uint8_t darkest = 255;
  uint8_t brightest = 0;
  bool tinted = false;

  template <typename Row>
  void look(const Rows& rows, int step, const Row& also) {
    for (int y = 0; y < rows.count; y += step) {
      const uint8_t* row = rows.first + static_cast<size_t>(y) * rows.stride;
      for (size_t at = 0; at < rows.length; at += sizeof(uint64_t)) {
        uint64_t word = 0;
        std::memcpy(&word, row + at, std::min(sizeof word, rows.length - at));
        state = mix(state, word);
      }
      also(row, rows.length);
    }
  }

  void lookWithContrast(const Rows& rows, int step) {
    look(rows, step, [this](const uint8_t* row, size_t length) {
      for (size_t at = 0; at < length; ++at) {
        darkest = std::min(darkest, row[at]);
        brightest = std::max(brightest, row[at]);
      }
    });
  }

  /// A dark lens has noise for colours; a picture that is green, or blue for want of a signal, has one all over.
  void lookForTint(const Rows& rows, int step) {
    std::array<int64_t, 2> sums{};
    int64_t pairs = 0;
    look(rows, step, [&](const uint8_t* row, size_t length) {
      for (size_t at = 0; at + 1 < length; at += 2) {
        for (size_t plane = 0; plane < 2; ++plane) sums[plane] += row[at + plane] - 128;
      }
      pairs += static_cast<int64_t>(length / 2);
    });
    tinted = std::any_of(sums.begin(), sums.end(), [&](int64_t sum) { return std::abs(sum) >= leastTint * pairs; });
  }
};

}  // namespace

double fingerprint(const View& picture) {
  const int step = (picture.height + mostRows - 1) / mostRows;
  const size_t width = static_cast<size_t>(picture.width);
  Seen seen{mix(mix(1, width * 3), static_cast<uint64_t>(picture.height))};
  if (picture.nv12 != nullptr) {
    const Nv12Size& size = picture.nv12->size();
    const size_t pairs = 2 * static_cast<size_t>(size.pairs());
    seen.lookWithContrast({picture.nv12->bytes(), width, width, size.height}, step);
    seen.lookForTint({picture.nv12->bytes() + size.luma(), pairs, pairs, size.chromaRows()}, step);
  } else {
    seen.lookWithContrast({picture.pixels, width * 3, picture.stride, picture.height}, step);
  }
  if (!seen.tinted && seen.brightest - seen.darkest < leastContrast) return 0;
  const uint64_t state = seen.state;
  return static_cast<double>((finish(state) >> 12) | 1);
}

}  // namespace facelatch
