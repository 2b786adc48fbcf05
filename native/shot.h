// What a network is shown of a picture: pieces of it, resampled to one size, as one batch.
#pragma once

#include <cstdint>
#include <vector>

#include "image.h"

namespace facelatch {

/// Rows of a network's batch, cut out of one picture. Described rather than computed, so that an engine with the
/// picture on its own device can cut there.
struct Shot {
  enum class Sampling {
    /// `resample` of each region: averages where it shrinks.
    averaged,
    /// Four neighbours however much it shrinks; regions are whole pixels inside the picture.
    bilinear,
    /// `warp` by each placement, rounded to 8 bits as a picture is.
    aligned,
  };

  Sampling sampling = Sampling::averaged;
  int width = 0;
  int height = 0;
  Normalisation normalisation{};
  /// Averaged and bilinear.
  std::vector<Box> regions{};
  /// Aligned: from the output's pixels to the picture's.
  std::vector<Similarity> placements{};
  /// Aligned: after all pieces come their mirror images, in the same order.
  bool mirrored = false;
  /// Aligned: the pieces themselves are wanted, too.
  bool keep = false;

  size_t pieces() const { return sampling == Sampling::aligned ? placements.size() : regions.size(); }
  /// Of one row.
  size_t values() const { return static_cast<size_t>(3) * static_cast<size_t>(width) * static_cast<size_t>(height); }
  size_t rows() const { return pieces() * (mirrored ? 2 : 1); }
};

/// Rows of three planes of height x width floats, one after the other; `kept` gets the pieces, RGB packed, where the
/// shot wants them.
void develop(const View& picture, const Shot& shot, float* rows, std::vector<std::vector<uint8_t>>& kept);

}  // namespace facelatch
