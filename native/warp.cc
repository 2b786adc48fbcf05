#include <algorithm>
#include <cmath>

#include "error.h"
#include "image.h"
#include "simd.h"

namespace facelatch {

Similarity similarity(const Landmarks& from, const Landmarks& to) {
  constexpr int points = 5;
  double fromX = 0, fromY = 0, toX = 0, toY = 0;
  for (int i = 0; i < points; ++i) {
    fromX += from[2 * i] / points;
    fromY += from[2 * i + 1] / points;
    toX += to[2 * i] / points;
    toY += to[2 * i + 1] / points;
  }
  // In two dimensions Umeyama's decomposition collapses to one complex division: sum(to * conj(from)) / sum(|from|^2).
  double along = 0, across = 0, spread = 0;
  for (int i = 0; i < points; ++i) {
    const double x = from[2 * i] - fromX, y = from[2 * i + 1] - fromY;
    const double u = to[2 * i] - toX, v = to[2 * i + 1] - toY;
    along += x * u + y * v;
    across += x * v - y * u;
    spread += x * x + y * y;
  }
  if (!(spread > 1e-6)) throw Error(Code::engine, "cannot align a face: its landmarks coincide; detect it again");
  const double a = along / spread, b = across / spread;
  return {a, b, toX - a * fromX + b * fromY, toY - b * fromX - a * fromY};
}

Similarity inverse(const Similarity& transform) {
  const double square = transform.a * transform.a + transform.b * transform.b;
  if (!(square > 1e-12)) throw Error(Code::engine, "cannot align a face: its landmarks are no face; detect it again");
  const double a = transform.a / square, b = -transform.b / square;
  return {a, b, -(a * transform.tx - b * transform.ty), -(b * transform.tx + a * transform.ty)};
}

namespace {

/// Bilinear; what lies beyond the picture is black.
Pixel sampled(const View& source, double x, double y) {
  Pixel sum{};
  const double left = std::floor(x), top = std::floor(y);
  if (left < -1 || top < -1 || left >= source.width || top >= source.height) return sum;
  const int x0 = static_cast<int>(left), y0 = static_cast<int>(top);
  const float fx = static_cast<float>(x - left), fy = static_cast<float>(y - top);
  const float weights[4] = {(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy};
  for (int corner = 0; corner < 4; ++corner) {
    const int px = x0 + (corner & 1), py = y0 + (corner >> 1);
    if (px < 0 || py < 0 || px >= source.width || py >= source.height) continue;
    const uint8_t* pixel = source.pixels + py * source.stride + static_cast<size_t>(px) * 3;
    sum += weights[corner] *
           Pixel{static_cast<float>(pixel[0]), static_cast<float>(pixel[1]), static_cast<float>(pixel[2])};
  }
  return sum;
}

/// The same where all four neighbours and a byte after them are in the picture.
inline Pixel sampledInside(const View& source, double x, double y) {
  const int x0 = static_cast<int>(x), y0 = static_cast<int>(y);
  const float fx = static_cast<float>(x - x0), fy = static_cast<float>(y - y0);
  const uint8_t* upper = source.pixels + y0 * source.stride + static_cast<size_t>(x0) * 3;
  const uint8_t* lower = upper + source.stride;
  Pixel sum = (1 - fx) * (1 - fy) * loaded(upper);
  sum += fx * (1 - fy) * loaded(upper + 3);
  sum += (1 - fx) * fy * loaded(lower);
  sum += fx * fy * loaded(lower + 3);
  return sum;
}

/// A step on the grid of samples that one pixel averages, in source pixels.
struct Step {
  double x;
  double y;
};

FACELATCH_SIMD void warpRow(const View& source, const Similarity& toSource, int y, int width,
                            const std::vector<Step>& steps, double reach, uint8_t* target) {
  const float share = 1.f / static_cast<float>(steps.size());
  for (int x = 0; x < width; ++x, target += 3) {
    const double u = toSource.a * x - toSource.b * y + toSource.tx, v = toSource.b * x + toSource.a * y + toSource.ty;
    const bool inside = u >= reach && v >= reach && u + reach < source.width - 2 && v + reach < source.height - 1;
    Pixel sum{};
    for (const Step& step : steps) {
      sum += inside ? sampledInside(source, u + step.x, v + step.y) : sampled(source, u + step.x, v + step.y);
    }
    for (int channel = 0; channel < 3; ++channel) {
      target[channel] = static_cast<uint8_t>(std::min(255.f, sum[channel] * share + 0.5f));
    }
  }
}

}  // namespace

int warpGrid(const Similarity& toSource) {
  // A large face is shrunk: one bilinear sample a pixel would skip source pixels, so each pixel averages a grid of
  // them.
  return static_cast<int>(std::clamp(std::ceil(std::hypot(toSource.a, toSource.b) - 0.25), 1.0, 8.0));
}

std::vector<uint8_t> warp(const View& source, const Similarity& toSource, int width, int height) {
  const double scale = std::hypot(toSource.a, toSource.b);
  const int grid = warpGrid(toSource);
  std::vector<Step> steps;
  for (int step = 0; step < grid * grid; ++step) {
    const double u = (step % grid + 0.5) / grid - 0.5, v = (step / grid + 0.5) / grid - 0.5;
    steps.push_back({toSource.a * u - toSource.b * v, toSource.b * u + toSource.a * v});
  }
  std::vector<uint8_t> out(static_cast<size_t>(width) * height * 3);
  for (int y = 0; y < height; ++y) {
    warpRow(source, toSource, y, width, steps, scale, out.data() + static_cast<size_t>(y) * width * 3);
  }
  return out;
}

void mirror(std::vector<uint8_t>& pixels, int width, int height) {
  for (int y = 0; y < height; ++y) {
    uint8_t* left = pixels.data() + static_cast<size_t>(y) * width * 3;
    for (uint8_t* right = left + (static_cast<size_t>(width) - 1) * 3; left < right; left += 3, right -= 3) {
      std::swap_ranges(left, left + 3, right);
    }
  }
}

}  // namespace facelatch
