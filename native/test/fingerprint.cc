#include "fingerprint.h"

#include <algorithm>
#include <random>
#include <vector>

#include "check.h"

using namespace facelatch;

namespace {

std::vector<uint8_t> noise(int width, int height) {
  std::mt19937 random(7);
  std::vector<uint8_t> pixels(static_cast<size_t>(width) * height * 3);
  for (uint8_t& value : pixels) value = static_cast<uint8_t>(random());
  return pixels;
}

View view(const std::vector<uint8_t>& pixels, int width, int height) {
  return {pixels.data(), width, height, static_cast<size_t>(width) * 3};
}

void oneChangedValueIsAnotherPicture() {
  // 31 * 3 bytes are no whole number of words.
  const auto pixels = noise(31, 17);
  const double before = fingerprint(view(pixels, 31, 17));
  CHECK(before > 0 && before < 4503599627370496.0);
  for (size_t i = 0; i < pixels.size(); ++i) {
    auto changed = pixels;
    changed[i] ^= 1;
    CHECK(fingerprint(view(changed, 31, 17)) != before);
  }
  CHECK(fingerprint(view(std::vector<uint8_t>(pixels), 31, 17)) == before);
}

void orderAndShapeCount() {
  auto pixels = noise(32, 16);
  const double before = fingerprint(view(pixels, 32, 16));
  CHECK(fingerprint(view(pixels, 16, 32)) != before);
  std::swap_ranges(pixels.begin(), pixels.begin() + 96, pixels.begin() + 96);
  CHECK(fingerprint(view(pixels, 32, 16)) != before);
}

void aCoveredLensSaysNothing() {
  std::vector<uint8_t> black(64 * 48 * 3, 3);
  black[100] = 9;
  CHECK(fingerprint(view(black, 64, 48)) == 0);
  black[200] = 60;
  CHECK(fingerprint(view(black, 64, 48)) != 0);
}

void paddingIsNotLookedAt() {
  const auto pixels = noise(10, 4);
  std::vector<uint8_t> padded(4 * 32, 1);
  for (int y = 0; y < 4; ++y) std::copy_n(pixels.begin() + y * 30, 30, padded.begin() + y * 32);
  CHECK(fingerprint({padded.data(), 10, 4, 32}) == fingerprint(view(pixels, 10, 4)));
}

void tallPicturesAreSampled() {
  const auto pixels = noise(8, 2048);
  const double before = fingerprint(view(pixels, 8, 2048));
  auto other = pixels;
  other[4 * 24] ^= 1;
  CHECK(fingerprint(view(other, 8, 2048)) != before);
}

}  // namespace

int main() {
  return runAll(oneChangedValueIsAnotherPicture, orderAndShapeCount, aCoveredLensSaysNothing, paddingIsNotLookedAt,
                tallPicturesAreSampled);
}
