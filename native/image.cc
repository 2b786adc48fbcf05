#include "image.h"

#include <algorithm>
#include <cmath>

#include "nv12.h"
#include "simd.h"

namespace facelatch {

View View::withPixels() const {
  View view = *this;
  if (pixels == nullptr && nv12 != nullptr) view.pixels = nv12->rgb().data();
  return view;
}

namespace {

/// The source pixels one output pixel is made of along one axis: `count` weights for pixels first, first + 1, ...
struct Tap {
  int first;
  size_t begin;
  size_t count;
};

struct Axis {
  std::vector<Tap> taps;
  std::vector<float> weights;

  void next() { taps.push_back({0, weights.size(), 0}); }
  void add(int pixel, double weight) {
    Tap& tap = taps.back();
    if (tap.count == 0) tap.first = pixel;
    const size_t index = static_cast<size_t>(pixel - tap.first);
    tap.count = std::max(tap.count, index + 1);
    weights.resize(tap.begin + tap.count);
    weights[tap.begin + index] += static_cast<float>(weight);
  }
};

int clampTo(double value, int low, int high) {
  return static_cast<int>(std::clamp(value, static_cast<double>(low), static_cast<double>(high)));
}

/// Pixels outside [0, size) get no weight, which is the same as reading black there.
void addArea(Axis& axis, double from, double to, int size) {
  const int last = clampTo(std::ceil(to), 0, size);
  for (int pixel = clampTo(std::floor(from), 0, size); pixel < last; ++pixel) {
    const double covered = std::min(to, pixel + 1.0) - std::max(from, static_cast<double>(pixel));
    axis.add(pixel, covered / (to - from));
  }
}

/// Neighbours are kept inside [low, high], so that a region's border repeats instead of blending with what is beyond.
void addLinear(Axis& axis, double centre, double low, double high, int size) {
  const double left = std::floor(centre - 0.5);
  const double share = centre - 0.5 - left;
  const double pixels[] = {std::clamp(left, low, high), std::clamp(left + 1, low, high)};
  const double weights[] = {1 - share, share};
  for (int side = 0; side < 2; ++side) {
    if (pixels[side] >= 0 && pixels[side] < size) axis.add(static_cast<int>(pixels[side]), weights[side]);
  }
}

Axis axisOf(double start, double length, int outputs, int size) {
  Axis axis;
  axis.taps.reserve(outputs);
  const double step = length / outputs;
  const double low = std::floor(start);
  const double high = std::max(low, std::ceil(start + length) - 1);
  for (int i = 0; i < outputs; ++i) {
    axis.next();
    if (step >= 1) {
      addArea(axis, start + i * step, start + (i + 1) * step, size);
    } else {
      addLinear(axis, start + (i + 0.5) * step, low, high, size);
    }
  }
  return axis;
}

struct Span {
  int begin;
  int end;
};

Span touched(const Axis& axis) {
  Span span{0, 0};
  for (const Tap& tap : axis.taps) {
    if (tap.count == 0) continue;
    if (span.end == 0) span.begin = tap.first;
    span.end = std::max(span.end, tap.first + static_cast<int>(tap.count));
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

FACELATCH_SIMD void addRow(const uint8_t* row, float weight, float* line, size_t size) {
  for (size_t i = 0; i < size; ++i) line[i] += weight * row[i];
}

/// One row of outputs from a line of weighted sums that begins at pixel `begin`.
FACELATCH_SIMD void addColumns(const float* line, int begin, const Axis& columns, const Planes& out, size_t at) {
  for (const Tap& tap : columns.taps) {
    Pixel sum{};
    const float* pixel = line + static_cast<ptrdiff_t>(tap.first - begin) * 3;
    for (size_t i = 0; i < tap.count; ++i, pixel += 3) sum += columns.weights[tap.begin + i] * loaded(pixel);
    for (int channel = 0; channel < 3; ++channel) {
      out.of[channel][at] = (sum[channel] - out.mean[channel]) * out.scale[channel];
    }
    ++at;
  }
}

}  // namespace

void resample(const View& picture, const Box& region, int width, int height, const Normalisation& normalisation,
              float* planes) {
  const Axis columns = axisOf(region.x, region.width, width, picture.width);
  const Axis rows = axisOf(region.y, region.height, height, picture.height);
  const Span span = touched(columns);
  const Planes out = planesOf(normalisation, static_cast<size_t>(width) * height, planes);
  // Rows first: that pass runs over contiguous bytes, and it leaves the few columns to the uneven second one.
  const size_t length = static_cast<size_t>(span.end - span.begin) * 3;
  std::vector<float> line(length + 1);
  for (int y = 0; y < height; ++y) {
    std::fill(line.begin(), line.end(), 0.f);
    const Tap& row = rows.taps[y];
    for (size_t tap = 0; tap < row.count; ++tap) {
      const uint8_t* pixels = picture.pixels + (row.first + tap) * picture.stride + static_cast<size_t>(span.begin) * 3;
      addRow(pixels, rows.weights[row.begin + tap], line.data(), length);
    }
    addColumns(line.data(), span.begin, columns, out, static_cast<size_t>(y) * width);
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

}  // namespace facelatch
