#include "nv12.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <thread>
#include <vector>

#include "check.h"
#include "fingerprint.h"
#include "image.h"
#include "picture.h"
#include "shot.h"

using namespace facelatch;

namespace {

struct Standard {
  double kr, kb;
  bool full;
};
constexpr Standard standards[] = {{0.299, 0.114, false},
                                  {0.299, 0.114, true},
                                  {0.2126, 0.0722, false},
                                  {0.2126, 0.0722, true},
                                  {0.2627, 0.0593, false}};

std::vector<uint8_t> noise(Nv12Size size, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<uint8_t> bytes(size.bytes());
  for (uint8_t& value : bytes) value = static_cast<uint8_t>(random());
  return bytes;
}

/// Of one colour.
std::vector<uint8_t> plain(Nv12Size size, int y, int u, int v) {
  std::vector<uint8_t> bytes(size.bytes(), static_cast<uint8_t>(y));
  for (size_t i = size.luma(); i < bytes.size(); i += 2) {
    bytes[i] = static_cast<uint8_t>(u);
    bytes[i + 1] = static_cast<uint8_t>(v);
  }
  return bytes;
}

/// Linear interpolation between where the colour differences stand, in floating point.
double chromaAt(const std::vector<uint8_t>& bytes, Nv12Size size, const YuvColours& colours, int x, int y, int plane) {
  const auto along = [](double pixel, bool on, int count) {
    return std::clamp(pixel / 2 - (on ? 0 : 0.25), 0.0, count - 1.0);
  };
  const double cx = along(x, colours.onColumn, size.pairs()), cy = along(y, colours.onRow, size.chromaRows());
  const int left = int(cx), top = int(cy);
  const int right = std::min(left + 1, size.pairs() - 1), bottom = std::min(top + 1, size.chromaRows() - 1);
  const auto value = [&](int column, int row) {
    return double(bytes[size.luma() + 2 * (size_t(row) * size_t(size.pairs()) + size_t(column)) + size_t(plane)]);
  };
  const double above = value(left, top) + (cx - left) * (value(right, top) - value(left, top));
  const double below = value(left, bottom) + (cx - left) * (value(right, bottom) - value(left, bottom));
  return above + (cy - top) * (below - above) - 128;
}

void itIsTheStandardsFormula() {
  for (const Standard& standard : standards) {
    for (const Nv12Size size : {Nv12Size{16, 12}, Nv12Size{7, 5}, Nv12Size{1, 1}, Nv12Size{2, 9}}) {
      for (int site = 0; site < 4; ++site) {
        YuvColours colours = YuvColours::of(standard.kr, standard.kb, standard.full);
        colours.onColumn = (site & 1) != 0;
        colours.onRow = (site & 2) != 0;
        const std::vector<uint8_t> bytes = noise(size, 3);
        const Nv12 picture(bytes, size, colours);
        const double kg = 1 - standard.kr - standard.kb;
        for (int y = 0; y < size.height; ++y) {
          for (int x = 0; x < size.width; ++x) {
            const size_t at = size_t(y) * size_t(size.width) + size_t(x);
            const double grey = standard.full ? bytes[at] : (bytes[at] - 16) * 255.0 / 219;
            const double scale = standard.full ? 1 : 255.0 / 224;
            const double u = scale * chromaAt(bytes, size, colours, x, y, 0);
            const double v = scale * chromaAt(bytes, size, colours, x, y, 1);
            const double r = grey + 2 * (1 - standard.kr) * v, b = grey + 2 * (1 - standard.kb) * u;
            const double g = (grey - standard.kr * r - standard.kb * b) / kg;
            const double expected[] = {r, g, b};
            for (size_t c = 0; c < 3; ++c) {
              // Half a step of the colour difference's rounding, at most doubled, and half a step of the result's.
              CHECK_NEAR(picture.rgb()[3 * at + c], std::clamp(expected[c], 0.0, 255.0), 1.7);
            }
          }
        }
      }
    }
  }
}

void knownColours() {
  const Nv12Size size{6, 4};
  const YuvColours colours = YuvColours::of(0.299, 0.114, false);
  // ITU-R BT.601's bars at full saturation.
  struct Bar {
    int y, u, v, r, g, b;
  };
  for (const Bar& bar : {Bar{235, 128, 128, 255, 255, 255}, Bar{16, 128, 128, 0, 0, 0}, Bar{81, 90, 240, 255, 0, 0},
                         Bar{145, 54, 34, 0, 255, 0}, Bar{41, 240, 110, 0, 0, 255}}) {
    const Nv12 picture(plain(size, bar.y, bar.u, bar.v), size, colours);
    CHECK_NEAR(picture.rgb()[0], bar.r, 2);
    CHECK_NEAR(picture.rgb()[1], bar.g, 2);
    CHECK_NEAR(picture.rgb()[2], bar.b, 2);
  }
}

void whoReadsPixelsGetsThem() {
  const Nv12Size size{32, 24};
  const Picture picture(noise(size, 5), size, YuvColours::of(0.299, 0.114, false));
  CHECK(picture.view().pixels == nullptr && picture.bytes() == size.bytes());
  Shot shot{Shot::Sampling::averaged, 8, 8, {{0, 0, 0}, {1, 1, 1}, false}};
  shot.regions = {{1, 2, 20, 20}};
  std::vector<float> rows(shot.values()), expected(shot.values());
  std::vector<std::vector<uint8_t>> kept;
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i)
    readers.emplace_back([&picture] { CHECK(picture.view().withPixels().pixels != nullptr); });
  develop(picture.view(), shot, rows.data(), kept);
  for (std::thread& reader : readers) reader.join();
  develop({picture.rgb().data(), 32, 24, 96}, shot, expected.data(), kept);
  CHECK(rows == expected);
}

void everyByteCountsForWhetherItStands() {
  const Nv12Size size{15, 9};
  const YuvColours colours = YuvColours::of(0.299, 0.114, false);
  const std::vector<uint8_t> bytes = noise(size, 9);
  const double before = fingerprint(Picture(bytes, size, colours).view());
  CHECK(before > 0 && fingerprint(Picture(bytes, size, colours).view()) == before);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::vector<uint8_t> changed = bytes;
    changed[i] ^= 1;
    CHECK(fingerprint(Picture(changed, size, colours).view()) != before);
  }
  // A covered lens: no brightness, whatever colour noise is in the dark.
  std::vector<uint8_t> black = bytes;
  for (size_t i = size.luma(); i < black.size(); ++i) black[i] = static_cast<uint8_t>(i / 2 % 2 == 0 ? 90 : 166);
  std::fill_n(black.begin(), size.luma(), uint8_t{16});
  CHECK(fingerprint(Picture(black, size, colours).view()) == 0);
  // A capture that gives nothing but zeros is green, and one without a signal blue: either may stand still.
  CHECK(fingerprint(Picture(std::vector<uint8_t>(size.bytes()), size, colours).view()) != 0);
  CHECK(fingerprint(Picture(plain(size, 41, 240, 110), size, colours).view()) != 0);
}

}  // namespace

int main() {
  return runAll(itIsTheStandardsFormula, knownColours, whoReadsPixelsGetsThem, everyByteCountsForWhetherItStands);
}
