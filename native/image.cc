#include "image.h"

#include <algorithm>
#include <cmath>

#include "error.h"

namespace facelatch {
namespace {

/// The source pixels one output pixel is made of along one axis: weights for pixels first, first + 1, ...
struct Taps {
  int first = 0;
  std::vector<float> weights;

  void add(int pixel, double weight) {
    if (weights.empty()) first = pixel;
    const size_t index = static_cast<size_t>(pixel - first);
    if (index >= weights.size()) weights.resize(index + 1);
    weights[index] += static_cast<float>(weight);
  }
};

int clampTo(double value, int low, int high) {
  return static_cast<int>(std::clamp(value, static_cast<double>(low), static_cast<double>(high)));
}

/// Pixels outside [0, size) get no weight, which is the same as reading black there.
Taps areaTaps(double from, double to, int size) {
  Taps taps;
  const int last = clampTo(std::ceil(to), 0, size);
  for (int pixel = clampTo(std::floor(from), 0, size); pixel < last; ++pixel) {
    const double covered = std::min(to, pixel + 1.0) - std::max(from, static_cast<double>(pixel));
    taps.add(pixel, covered / (to - from));
  }
  return taps;
}

/// Neighbours are kept inside [low, high], so that a region's border repeats instead of blending with what is beyond.
Taps linearTaps(double centre, double low, double high, int size) {
  Taps taps;
  const double left = std::floor(centre - 0.5);
  const double share = centre - 0.5 - left;
  const double pixels[] = {std::clamp(left, low, high), std::clamp(left + 1, low, high)};
  const double weights[] = {1 - share, share};
  for (int side = 0; side < 2; ++side) {
    if (pixels[side] >= 0 && pixels[side] < size) taps.add(static_cast<int>(pixels[side]), weights[side]);
  }
  return taps;
}

std::vector<Taps> axisTaps(double start, double length, int outputs, int size) {
  std::vector<Taps> taps;
  taps.reserve(outputs);
  const double step = length / outputs;
  const double low = std::floor(start);
  const double high = std::max(low, std::ceil(start + length) - 1);
  for (int i = 0; i < outputs; ++i) {
    taps.push_back(step >= 1 ? areaTaps(start + i * step, start + (i + 1) * step, size)
                             : linearTaps(start + (i + 0.5) * step, low, high, size));
  }
  return taps;
}

struct Span {
  int begin;
  int end;
};

Span touched(const std::vector<Taps>& axis) {
  Span span{0, 0};
  for (const Taps& taps : axis) {
    if (taps.weights.empty()) continue;
    if (span.end == 0) span.begin = taps.first;
    span.end = std::max(span.end, taps.first + static_cast<int>(taps.weights.size()));
  }
  return span;
}

struct Planes {
  std::array<float*, 3> of;
  std::array<float, 3> mean;
  std::array<float, 3> scale;
};

/// Where the picture's red, green and blue go.
Planes planesOf(const Normalisation& normalisation, size_t area, float* planes) {
  Planes result{};
  for (int channel = 0; channel < 3; ++channel) {
    const int plane = normalisation.bgr ? 2 - channel : channel;
    result.of[channel] = planes + plane * area;
    result.mean[channel] = normalisation.mean[plane];
    result.scale[channel] = normalisation.scale[plane];
  }
  return result;
}

}  // namespace

void resample(const View& picture, const Box& region, int width, int height, const Normalisation& normalisation,
              float* planes) {
  const std::vector<Taps> columns = axisTaps(region.x, region.width, width, picture.width);
  const std::vector<Taps> rows = axisTaps(region.y, region.height, height, picture.height);
  const Span span = touched(columns);
  const Planes out = planesOf(normalisation, static_cast<size_t>(width) * height, planes);
  // Rows first: that pass runs over contiguous bytes, and it leaves the few columns to the uneven second one.
  std::vector<float> line(static_cast<size_t>(span.end - span.begin) * 3);
  for (int y = 0; y < height; ++y) {
    std::fill(line.begin(), line.end(), 0.f);
    for (size_t tap = 0; tap < rows[y].weights.size(); ++tap) {
      const float weight = rows[y].weights[tap];
      const uint8_t* row =
          picture.pixels + (rows[y].first + tap) * picture.stride + static_cast<size_t>(span.begin) * 3;
      for (size_t i = 0; i < line.size(); ++i) line[i] += weight * row[i];
    }
    for (int x = 0; x < width; ++x) {
      float sums[3] = {0, 0, 0};
      const float* pixel = line.data() + static_cast<size_t>(columns[x].first - span.begin) * 3;
      for (const float weight : columns[x].weights) {
        for (int channel = 0; channel < 3; ++channel) sums[channel] += weight * pixel[channel];
        pixel += 3;
      }
      const size_t at = static_cast<size_t>(y) * width + x;
      for (int channel = 0; channel < 3; ++channel) {
        out.of[channel][at] = (sums[channel] - out.mean[channel]) * out.scale[channel];
      }
    }
  }
}

void normalise(const View& picture, const Normalisation& normalisation, float* planes) {
  const Planes out = planesOf(normalisation, static_cast<size_t>(picture.width) * picture.height, planes);
  size_t at = 0;
  for (int y = 0; y < picture.height; ++y) {
    const uint8_t* pixel = picture.pixels + y * picture.stride;
    for (int x = 0; x < picture.width; ++x, ++at, pixel += 3) {
      for (int channel = 0; channel < 3; ++channel) {
        out.of[channel][at] = (pixel[channel] - out.mean[channel]) * out.scale[channel];
      }
    }
  }
}

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

int warpGrid(const Similarity& toSource) {
  // A large face is shrunk: one bilinear sample a pixel would skip source pixels, so each pixel averages a grid of
  // them.
  return clampTo(std::ceil(std::hypot(toSource.a, toSource.b) - 0.25), 1, 8);
}

std::vector<uint8_t> warp(const View& source, const Similarity& toSource, int width, int height) {
  const int grid = warpGrid(toSource);
  const float share = 1.f / static_cast<float>(grid * grid);
  std::vector<uint8_t> out(static_cast<size_t>(width) * height * 3);
  uint8_t* target = out.data();

  const auto addSample = [&source](double x, double y, float* sums) {
    const double left = std::floor(x), top = std::floor(y);
    if (left < -1 || top < -1 || left >= source.width || top >= source.height) return;
    const int x0 = static_cast<int>(left), y0 = static_cast<int>(top);
    const float fx = static_cast<float>(x - left), fy = static_cast<float>(y - top);
    const float weights[4] = {(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy};
    for (int corner = 0; corner < 4; ++corner) {
      const int px = x0 + (corner & 1), py = y0 + (corner >> 1);
      if (px < 0 || py < 0 || px >= source.width || py >= source.height) continue;
      const uint8_t* pixel = source.pixels + py * source.stride + static_cast<size_t>(px) * 3;
      for (int channel = 0; channel < 3; ++channel) sums[channel] += weights[corner] * pixel[channel];
    }
  };

  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x, target += 3) {
      float sums[3] = {0, 0, 0};
      for (int step = 0; step < grid * grid; ++step) {
        const double u = x + (step % grid + 0.5) / grid - 0.5;
        const double v = y + (step / grid + 0.5) / grid - 0.5;
        addSample(toSource.a * u - toSource.b * v + toSource.tx, toSource.b * u + toSource.a * v + toSource.ty, sums);
      }
      for (int channel = 0; channel < 3; ++channel) {
        target[channel] = static_cast<uint8_t>(std::min(255.f, sums[channel] * share + 0.5f));
      }
    }
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
