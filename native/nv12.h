// NV12, the form in which cameras and decoders of a Jetson give their pictures: 8 bits of brightness a pixel, and one
// pair of colour differences for four.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#ifdef __CUDACC__
#define FACELATCH_ANYWHERE __host__ __device__
#else
#define FACELATCH_ANYWHERE
#endif

namespace facelatch {

/// How brightness and colour differences become RGB, in whole numbers, so that every processor answers alike: 65536ths.
struct YuvColours {
  /// From Kr and Kb of the standard; `full`: 0 to 255 instead of 16 to 235 and 16 to 240.
  static YuvColours of(double kr, double kb, bool full);

  int32_t black;
  int32_t brightness;
  int32_t redOfV;
  int32_t greenOfU;
  int32_t greenOfV;
  int32_t blueOfU;
  /// Whether a colour difference stands on the first pixel of its pair, or between both.
  bool onColumn = true;
  bool onRow = false;
};

struct Nv12Size {
  int width;
  int height;

  FACELATCH_ANYWHERE int pairs() const { return (width + 1) / 2; }
  FACELATCH_ANYWHERE int chromaRows() const { return (height + 1) / 2; }
  FACELATCH_ANYWHERE size_t luma() const { return static_cast<size_t>(width) * static_cast<size_t>(height); }
  FACELATCH_ANYWHERE size_t bytes() const {
    return luma() + 2 * static_cast<size_t>(pairs()) * static_cast<size_t>(chromaRows());
  }
};

/// Of one axis: two neighbouring colour differences, and how many quarters of the first.
struct ChromaTap {
  int first;
  int second;
  int quarters;
};

FACELATCH_ANYWHERE inline ChromaTap chromaTap(int pixel, int count, bool onPixel) {
  const int first = pixel / 2, odd = pixel % 2;
  const int wanted = onPixel || odd != 0 ? first + odd : first - 1;
  const int second = wanted < 0 ? 0 : wanted >= count ? count - 1 : wanted;
  return {first, second, onPixel ? (odd != 0 ? 2 : 4) : 3};
}

FACELATCH_ANYWHERE inline uint8_t byteOf(int32_t value) {
  return static_cast<uint8_t>(value < 0 ? 0 : value > 255 << 16 ? 255 : (value + (1 << 15)) >> 16);
}

/// Writes the three values of the pixel. `nv12`: packed rows of brightness, then packed rows of U, V pairs.
FACELATCH_ANYWHERE inline void rgbOfNv12(const uint8_t* nv12, Nv12Size size, const YuvColours& colours, int x, int y,
                                         uint8_t* rgb) {
  const ChromaTap across = chromaTap(x, size.pairs(), colours.onColumn);
  const ChromaTap down = chromaTap(y, size.chromaRows(), colours.onRow);
  const uint8_t* chroma = nv12 + size.luma();
  const size_t stride = 2 * static_cast<size_t>(size.pairs());
  const uint8_t* upper = chroma + static_cast<size_t>(down.first) * stride;
  const uint8_t* lower = chroma + static_cast<size_t>(down.second) * stride;
  const auto mixed = [&](int plane) {
    const int left = 2 * across.first + plane, right = 2 * across.second + plane;
    const int above = across.quarters * upper[left] + (4 - across.quarters) * upper[right];
    const int below = across.quarters * lower[left] + (4 - across.quarters) * lower[right];
    return ((down.quarters * above + (4 - down.quarters) * below + 8) >> 4) - 128;
  };
  const int32_t u = mixed(0), v = mixed(1);
  const int32_t grey =
      colours.brightness *
      (nv12[static_cast<size_t>(y) * static_cast<size_t>(size.width) + static_cast<size_t>(x)] - colours.black);
  rgb[0] = byteOf(grey + colours.redOfV * v);
  rgb[1] = byteOf(grey + colours.greenOfU * u + colours.greenOfV * v);
  rgb[2] = byteOf(grey + colours.blueOfU * u);
}

/// One such picture. Immutable, so threads share it without a lock.
class Nv12 {
 public:
  /// `bytes`: as `rgbOfNv12` reads them.
  Nv12(std::vector<uint8_t> bytes, Nv12Size size, const YuvColours& colours);

  const uint8_t* bytes() const { return bytes_.data(); }
  const Nv12Size& size() const { return size_; }
  const YuvColours& colours() const { return colours_; }
  /// RGB, rows packed; made when it is first asked for.
  const std::vector<uint8_t>& rgb() const;

 private:
  std::vector<uint8_t> bytes_;
  Nv12Size size_;
  YuvColours colours_;
  mutable std::once_flag once_;
  mutable std::vector<uint8_t> rgb_;
};

}  // namespace facelatch
