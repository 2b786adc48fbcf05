#include "nv12.h"

#include <cmath>
#include <utility>

namespace facelatch {

YuvColours YuvColours::of(double kr, double kb, bool full) {
  // ITU-R BT.601 and BT.709: E'Y = Kr R + Kg G + Kb B, E'Cr = (R - E'Y) / (2 (1 - Kr)), E'Cb likewise of B.
  const double kg = 1 - kr - kb, grey = full ? 1 : 255.0 / 219, difference = full ? 1 : 255.0 / 224;
  const auto fixed = [](double value) { return static_cast<int32_t>(std::lround(value * 65536)); };
  return {full ? 0 : 16,
          fixed(grey),
          fixed(difference * 2 * (1 - kr)),
          fixed(-difference * 2 * (1 - kb) * kb / kg),
          fixed(-difference * 2 * (1 - kr) * kr / kg),
          fixed(difference * 2 * (1 - kb))};
}

Nv12::Nv12(std::vector<uint8_t> bytes, Nv12Size size, const YuvColours& colours)
    : bytes_(std::move(bytes)), size_(size), colours_(colours) {}

const std::vector<uint8_t>& Nv12::rgb() const {
  std::call_once(once_, [this] {
    rgb_.resize(3 * size_.luma());
    uint8_t* pixel = rgb_.data();
    for (int y = 0; y < size_.height; ++y) {
      for (int x = 0; x < size_.width; ++x, pixel += 3) rgbOfNv12(bytes_.data(), size_, colours_, x, y, pixel);
    }
  });
  return rgb_;
}

}  // namespace facelatch
