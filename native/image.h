// Geometry and sampling: from a picture to the planar floats a network reads.
// Coordinates are continuous: pixel i covers [i, i + 1), a box covers [x, x + width).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace facelatch {

class Nv12;

/// Borrowed RGB pixels, 8 bits a channel, `stride` bytes from row to row.
struct View {
  /// Null where the picture is NV12 and nobody has asked for its RGB.
  const uint8_t* pixels;
  int width;
  int height;
  size_t stride;
  /// Views of one id show the same pixels, so that a device gets them once; 0 promises nothing.
  uint64_t id = 0;
  const Nv12* nv12 = nullptr;

  /// For whoever reads them.
  View withPixels() const;
};

struct Box {
  double x;
  double y;
  double width;
  double height;
};

/// x, y of left eye, right eye, nose, left and right mouth corner, pixels.
using Landmarks = std::array<float, 10>;

/// (value - mean) * scale per plane; planes stand in the order R, G, B, or B, G, R.
struct Normalisation {
  std::array<float, 3> mean;
  std::array<float, 3> scale;
  bool bgr;
};

/// Resamples `region` of the picture into three planes of height x width floats. Parts of the region beyond the picture
/// are black. Shrinking averages over the area each output pixel covers, so nothing aliases; enlarging is bilinear.
void resample(const View& picture, const Box& region, int width, int height, const Normalisation& normalisation,
              float* planes);

/// u = a x - b y + tx, v = b x + a y + ty.
struct Similarity {
  double a;
  double b;
  double tx;
  double ty;
};

/// The rotation, uniform scale and shift that takes `from` nearest to `to` in least squares (Umeyama 1991, reflections
/// excluded). Throws ENGINE when the points of `from` coincide.
Similarity similarity(const Landmarks& from, const Landmarks& to);

/// Throws ENGINE for a transform of scale zero.
Similarity inverse(const Similarity& transform);

/// Samples along each axis that a pixel of `warp` averages.
int warpGrid(const Similarity& toSource);

/// The width x height picture, RGB packed, whose pixel (x, y) is the source at `toSource` of it; black beyond the
/// source.
std::vector<uint8_t> warp(const View& source, const Similarity& toSource, int width, int height);

/// Swaps left and right of an RGB picture of packed rows, in place.
void mirror(std::vector<uint8_t>& pixels, int width, int height);

/// Whole picture, no resizing, into three planes.
void normalise(const View& picture, const Normalisation& normalisation, float* planes);

}  // namespace facelatch
