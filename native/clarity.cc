#include "clarity.h"

#include <algorithm>
#include <cmath>

namespace facelatch {
namespace {

/// Neighbours that the Laplacian compares, in eye distances: about one pixel of a 112 pixel input.
constexpr double reach = 1.0 / 35;
constexpr double black = 8, white = 247;

}  // namespace

Clarity clarityOf(const std::vector<uint8_t>& aligned, int width, int height, const Landmarks& target) {
  const double eyes = std::hypot(target[2] - target[0], target[3] - target[1]);
  const double mouth = (target[7] + target[9]) / 2, brows = (target[1] + target[3]) / 2;
  const int step = std::max(1, static_cast<int>(std::lround(eyes * reach)));
  const auto inside = [step](double value, int size) {
    return std::clamp(static_cast<int>(std::lround(value)), step, std::max(step, size - step));
  };
  const int left = inside(target[0] - 0.4 * eyes, width), right = inside(target[2] + 0.4 * eyes, width);
  const int top = inside(brows - 0.5 * eyes, height), bottom = inside(mouth + 0.3 * eyes, height);

  // ITU-R BT.601.
  std::vector<float> grey(static_cast<size_t>(width) * height);
  for (size_t i = 0; i < grey.size(); ++i) {
    grey[i] = 0.299f * aligned[3 * i] + 0.587f * aligned[3 * i + 1] + 0.114f * aligned[3 * i + 2];
  }
  double sum = 0, squares = 0, edges = 0, edgeSquares = 0, clipped = 0;
  for (int y = top; y < bottom; ++y) {
    for (int x = left; x < right; ++x) {
      const float* at = &grey[static_cast<size_t>(y) * width + x];
      const double value = *at;
      const double edge = 4 * value - at[-step] - at[step] - at[-step * width] - at[step * width];
      sum += value;
      squares += value * value;
      edges += edge;
      edgeSquares += edge * edge;
      clipped += value <= black || value >= white;
    }
  }
  const double count = static_cast<double>(right - left) * (bottom - top);
  if (!(count > 0)) return {};
  const double variance = std::max(0.0, squares / count - sum * sum / (count * count));
  const double laplacian = std::max(0.0, edgeSquares / count - edges * edges / (count * count));
  // A plain surface has no detail to be sharp: one grey level of noise must not look like some.
  return {laplacian / (variance + 25), std::sqrt(variance) / 255, sum / count / 255, clipped / count};
}

}  // namespace facelatch
