#include "clarity.h"

#include <algorithm>
#include <cmath>

#include "check.h"

using namespace facelatch;

namespace {

const Landmarks target{38.2946f, 51.6963f, 73.5318f, 51.5014f, 56.0252f,
                       71.7366f, 41.5493f, 92.3655f, 70.7299f, 92.2041f};
constexpr int side = 112;

/// A wave of that length in pixels and that reach about the middle grey.
std::vector<uint8_t> wave(double length, double reach, double middle = 128) {
  std::vector<uint8_t> pixels(side * side * 3);
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      const double value = middle + reach * std::sin(6.2831853 * x / length) * std::cos(6.2831853 * y / length);
      for (int c = 0; c < 3; ++c) pixels[(y * side + x) * 3 + c] = static_cast<uint8_t>(std::clamp(value, 0.0, 255.0));
    }
  }
  return pixels;
}

Clarity of(const std::vector<uint8_t>& pixels) { return clarityOf(pixels, side, side, target); }

void fineDetailIsSharpWhateverItsContrast() {
  const Clarity fine = of(wave(6, 60)), coarse = of(wave(40, 60)), faint = of(wave(6, 30));
  CHECK(fine.sharpness > 20 * coarse.sharpness);
  CHECK_NEAR(faint.sharpness / fine.sharpness, 1, 0.1);
  CHECK(faint.contrast < 0.6 * fine.contrast);
}

void lightIsMeasured() {
  const Clarity flat = of(wave(10, 0)), dark = of(wave(10, 3, 4)), bright = of(wave(10, 2, 252));
  CHECK(flat.sharpness < 1e-6 && flat.contrast < 1e-6 && flat.clipped == 0);
  CHECK_NEAR(flat.brightness, 128.0 / 255, 1e-3);
  CHECK(dark.clipped > 0.99 && dark.brightness < 0.03);
  CHECK(bright.clipped > 0.99 && bright.brightness > 0.95);
}

void onlyTheFaceCounts() {
  std::vector<uint8_t> pixels = wave(10, 0);
  const Clarity before = of(pixels);
  for (int i = 0; i < side * 20 * 3; ++i) pixels[i] = static_cast<uint8_t>(i * 37);  // above the brows
  CHECK_NEAR(of(pixels).contrast, before.contrast, 1e-9);
}

}  // namespace

int main() { return runAll(fineDetailIsSharpWhateverItsContrast, lightIsMeasured, onlyTheFaceCounts); }
