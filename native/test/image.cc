#include "image.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "check.h"
#include "error.h"

using namespace facelatch;

namespace {

const Normalisation asIs{{0, 0, 0}, {1, 1, 1}, false};

struct Rows {
  Rows(int width, int height, size_t padding) : width(width), height(height), stride(width * 3 + padding) {
    bytes.assign(stride * height, 255);  // white padding shows when it is read
  }
  uint8_t& at(int x, int y, int channel) { return bytes[y * stride + x * 3 + channel]; }
  View view() const { return {bytes.data(), width, height, stride}; }

  int width;
  int height;
  size_t stride;
  std::vector<uint8_t> bytes;
};

Rows filled(int width, int height, uint8_t value) {
  Rows rows(width, height, 5);
  for (int y = 0; y < height; ++y) {
    for (int i = 0; i < width * 3; ++i) rows.bytes[y * rows.stride + i] = value;
  }
  return rows;
}

void constantStaysConstant() {
  const Rows rows = filled(37, 23, 91);
  for (const int side : {1, 5, 12, 24, 48, 100}) {
    std::vector<float> planes(3 * side * side);
    resample(rows.view(), {0, 0, 37, 23}, side, side, asIs, planes.data());
    for (const float value : planes) CHECK_NEAR(value, 91, 1e-3);
  }
}

void gradientStaysLinear() {
  Rows rows(64, 48, 3);
  for (int y = 0; y < 48; ++y) {
    for (int x = 0; x < 64; ++x) {
      rows.at(x, y, 0) = static_cast<uint8_t>(2 * x + 10);
      rows.at(x, y, 1) = static_cast<uint8_t>(3 * y);
      rows.at(x, y, 2) = 7;
    }
  }
  std::vector<float> planes(3 * 16 * 12);
  resample(rows.view(), {0, 0, 64, 48}, 16, 12, asIs, planes.data());
  for (int y = 0; y < 12; ++y) {
    for (int x = 0; x < 16; ++x) {
      CHECK_NEAR(planes[y * 16 + x], 2 * (4 * x + 1.5) + 10, 1e-3);
      CHECK_NEAR(planes[16 * 12 + y * 16 + x], 3 * (4 * y + 1.5), 1e-3);
    }
  }
  // A ratio that is no whole number: inside, the mean of a linear function is its value at the middle.
  std::vector<float> odd(3 * 11 * 9);
  resample(rows.view(), {3.3, 2.7, 50, 40}, 11, 9, asIs, odd.data());
  for (int x = 0; x < 11; ++x) CHECK_NEAR(odd[x], 2 * (3.3 + (x + 0.5) * 50 / 11 - 0.5) + 10, 0.25);
  std::vector<float> enlarged(3 * 128 * 96);
  resample(rows.view(), {0, 0, 64, 48}, 128, 96, asIs, enlarged.data());
  for (int x = 1; x < 127; ++x) CHECK_NEAR(enlarged[40 * 128 + x], 2 * ((x + 0.5) / 2 - 0.5) + 10, 1e-3);
}

void cropsBeyondThePictureAreBlack() {
  const Rows rows = filled(20, 20, 200);
  std::vector<float> planes(3 * 24 * 24);
  resample(rows.view(), {-12, -12, 24, 24}, 24, 24, asIs, planes.data());
  for (int y = 0; y < 24; ++y) {
    for (int x = 0; x < 24; ++x) CHECK_NEAR(planes[y * 24 + x], x >= 12 && y >= 12 ? 200 : 0, 1e-3);
  }
  for (const Box& far : {Box{500, 0, 24, 24}, Box{0, -500, 24, 24}, Box{-1e6, -1e6, 10, 10}, Box{1e6, 1e6, 1, 1}}) {
    resample(rows.view(), far, 24, 24, asIs, planes.data());
    for (const float value : planes) CHECK_NEAR(value, 0, 0);
  }
  resample(rows.view(), {-1e6, -1e6, 2e6, 2e6}, 24, 24, asIs, planes.data());
  for (const float value : planes) CHECK(std::isfinite(value) && value < 1);
  resample(rows.view(), {18.5, 18.5, 3, 3}, 24, 24, asIs, planes.data());  // enlarging over the corner
  CHECK_NEAR(planes[0], 200, 1e-3);
  CHECK_NEAR(planes[24 * 24 - 1], 0, 1e-3);
}

void normalisationAndColourOrder() {
  Rows rows(2, 1, 1);
  const uint8_t pixel[] = {10, 20, 30, 40, 50, 60};
  std::copy(std::begin(pixel), std::end(pixel), rows.bytes.begin());
  std::vector<float> planes(6);
  normalise(rows.view(), {{1, 2, 3}, {1, 10, 100}, false}, planes.data());
  const float rgb[] = {9, 39, 180, 480, 2700, 5700};
  for (int i = 0; i < 6; ++i) CHECK_NEAR(planes[i], rgb[i], 1e-3);
  const Normalisation swapped{{1, 2, 3}, {1, 10, 100}, true};
  const float bgr[] = {29, 59, 180, 480, 700, 3700};
  normalise(rows.view(), swapped, planes.data());
  for (int i = 0; i < 6; ++i) CHECK_NEAR(planes[i], bgr[i], 1e-3);
  resample(rows.view(), {0, 0, 2, 1}, 2, 1, swapped, planes.data());
  for (int i = 0; i < 6; ++i) CHECK_NEAR(planes[i], bgr[i], 1e-3);
}

void similarityRecoversKnownTransforms() {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> angle(-3.14, 3.14), scale(0.1, 8), shift(-300, 300), spot(0, 200);
  for (int round = 0; round < 200; ++round) {
    const double turn = angle(random), size = scale(random);
    const Similarity known{size * std::cos(turn), size * std::sin(turn), shift(random), shift(random)};
    Landmarks from, to;
    for (int i = 0; i < 5; ++i) {
      const double x = spot(random), y = spot(random);
      from[2 * i] = static_cast<float>(x);
      from[2 * i + 1] = static_cast<float>(y);
      to[2 * i] = static_cast<float>(known.a * x - known.b * y + known.tx);
      to[2 * i + 1] = static_cast<float>(known.b * x + known.a * y + known.ty);
    }
    const Similarity found = similarity(from, to);
    CHECK_NEAR(found.a, known.a, 1e-4);
    CHECK_NEAR(found.b, known.b, 1e-4);
    CHECK_NEAR(found.tx, known.tx, 1e-2);
    CHECK_NEAR(found.ty, known.ty, 1e-2);
    const Similarity back = inverse(found);
    const double x = found.a * 5 - found.b * 6 + found.tx, y = found.b * 5 + found.a * 6 + found.ty;
    CHECK_NEAR(back.a * x - back.b * y + back.tx, 5, 1e-6);
    CHECK_NEAR(back.b * x + back.a * y + back.ty, 6, 1e-6);
  }
  const Landmarks same{4, 4, 4, 4, 4, 4, 4, 4, 4, 4}, apart{0, 0, 9, 0, 5, 5, 0, 9, 9, 9};
  CHECK_THROWS(similarity(same, apart), Error);
  CHECK_THROWS(inverse(similarity(apart, same)), Error);
}

void warpMovesPixels() {
  Rows rows(30, 30, 2);
  for (int y = 0; y < 30; ++y) {
    for (int x = 0; x < 30; ++x) {
      for (int channel = 0; channel < 3; ++channel)
        rows.at(x, y, channel) = static_cast<uint8_t>(4 * x + 2 * y + channel);
    }
  }
  const std::vector<uint8_t> same = warp(rows.view(), {1, 0, 0, 0}, 30, 30);
  for (int i = 0; i < 30 * 30 * 3; ++i) CHECK(same[i] == rows.bytes[(i / 90) * rows.stride + i % 90]);
  const std::vector<uint8_t> moved = warp(rows.view(), {1, 0, 3, 5}, 10, 10);
  CHECK(moved[0] == 4 * 3 + 2 * 5);
  const std::vector<uint8_t> turned = warp(rows.view(), {0, 1, 20, 4}, 8, 8);  // source = (20 - v, 4 + u)
  CHECK(turned[(2 * 8 + 3) * 3 + 1] == 4 * (20 - 2) + 2 * (4 + 3) + 1);
  const std::vector<uint8_t> smaller = warp(rows.view(), {3, 0, 1, 1}, 9, 9);
  CHECK_NEAR(smaller[(4 * 9 + 4) * 3], 4 * 13 + 2 * 13, 1);
  for (const uint8_t value : warp(rows.view(), {1, 0, 1e7, -1e7}, 5, 5)) CHECK(value == 0);
  const std::vector<uint8_t> edge = warp(rows.view(), {1, 0, 28, 0}, 4, 1);
  CHECK(edge[3] == 4 * 29 && edge[6] == 0);
}

void warpIsTheSameFarFromTheEdgeAndAtIt() {
  std::mt19937 random(3);
  Rows rows(40, 30, 0);
  for (uint8_t& byte : rows.bytes) byte = static_cast<uint8_t>(random());
  Rows framed(80, 70, 0);
  for (uint8_t& byte : framed.bytes) byte = 0;
  for (int y = 0; y < 30; ++y) std::copy_n(&rows.at(0, y, 0), 40 * 3, &framed.at(20, 20 + y, 0));
  for (const double scale : {0.7, 1.3, 3.1}) {
    const double a = scale * std::cos(0.3), b = scale * std::sin(0.3);
    CHECK(warp(rows.view(), {a, b, 4, -2}, 16, 14) == warp(framed.view(), {a, b, 24, 18}, 16, 14));
  }
}

}  // namespace

int main() {
  return runAll(constantStaysConstant, gradientStaysLinear, cropsBeyondThePictureAreBlack, normalisationAndColourOrder,
                similarityRecoversKnownTransforms, warpMovesPixels, warpIsTheSameFarFromTheEdgeAndAtIt);
}
