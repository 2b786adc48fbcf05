// What an aligned face's pixels tell of how well it can be recognised. Measures only; what they are worth is decided in
// firmware/domain/quality.ts.
#pragma once

#include <cstdint>
#include <vector>

#include "image.h"

namespace facelatch {

struct Clarity {
  /// Variance of the Laplacian over the variance of the brightness: how fine the detail is, whatever the contrast.
  double sharpness = 0;
  /// Standard deviation of the brightness, in [0, 0.5].
  double contrast = 0;
  /// Mean brightness, in [0, 1].
  double brightness = 0;
  /// Share of pixels that are as good as black or white, in [0, 1].
  double clipped = 0;
};

/// `aligned`: RGB, rows packed, its landmarks at `target`. Looks at the face between brows, mouth and cheeks alone, at
/// a scale that its eye distance sets, so that embedders with other inputs find about the same.
Clarity clarityOf(const std::vector<uint8_t>& aligned, int width, int height, const Landmarks& target);

}  // namespace facelatch
