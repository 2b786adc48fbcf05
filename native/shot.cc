#include "shot.h"

#include <algorithm>
#include <cmath>

namespace facelatch {
namespace {

/// Where a pixel of the small picture comes from along one axis.
struct Tap {
  int first;
  int second;
  float share;
};

std::vector<Tap> taps(double from, double length, int outputs) {
  const double step = length / outputs;
  const int low = static_cast<int>(from), high = static_cast<int>(from + length) - 1;
  std::vector<Tap> result;
  for (int i = 0; i < outputs; ++i) {
    const double at = from + (i + 0.5) * step - 0.5;
    const double left = std::floor(at);
    result.push_back({std::clamp(static_cast<int>(left), low, high), std::clamp(static_cast<int>(left) + 1, low, high),
                      static_cast<float>(at - left)});
  }
  return result;
}

void bilinear(const View& picture, const Box& region, const Shot& shot, float* planes) {
  const std::vector<Tap> columns = taps(region.x, region.width, shot.width);
  const std::vector<Tap> rows = taps(region.y, region.height, shot.height);
  const size_t area = static_cast<size_t>(shot.width) * shot.height;
  for (int y = 0; y < shot.height; ++y) {
    const uint8_t* upper = picture.pixels + rows[y].first * picture.stride;
    const uint8_t* lower = picture.pixels + rows[y].second * picture.stride;
    const float down = rows[y].share;
    for (int x = 0; x < shot.width; ++x) {
      const auto [first, second, right] = columns[x];
      for (int channel = 0; channel < 3; ++channel) {
        const auto across = [&, left = first, next = second, part = right](const uint8_t* row) {
          return (1 - part) * row[3 * left + channel] + part * row[3 * next + channel];
        };
        const float value = (1 - down) * across(upper) + down * across(lower);
        const int plane = shot.normalisation.bgr ? 2 - channel : channel;
        planes[plane * area + static_cast<size_t>(y) * shot.width + x] =
            (value - shot.normalisation.mean[plane]) * shot.normalisation.scale[plane];
      }
    }
  }
}

}  // namespace

void develop(const View& given, const Shot& shot, float* rows, std::vector<std::vector<uint8_t>>& kept) {
  const View picture = given.withPixels();
  const size_t row = shot.values();
  const size_t pieces = shot.pieces();
  for (size_t i = 0; i < pieces; ++i) {
    if (shot.sampling == Shot::Sampling::averaged) {
      resample(picture, shot.regions[i], shot.width, shot.height, shot.normalisation, rows + i * row);
    } else if (shot.sampling == Shot::Sampling::bilinear) {
      bilinear(picture, shot.regions[i], shot, rows + i * row);
    } else {
      std::vector<uint8_t> piece = warp(picture, shot.placements[i], shot.width, shot.height);
      const View view{piece.data(), shot.width, shot.height, static_cast<size_t>(shot.width) * 3};
      normalise(view, shot.normalisation, rows + i * row);
      if (shot.keep) kept.push_back(piece);
      if (!shot.mirrored) continue;
      mirror(piece, shot.width, shot.height);
      normalise(view, shot.normalisation, rows + (pieces + i) * row);
    }
  }
}

}  // namespace facelatch
