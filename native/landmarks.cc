#include "landmarks.h"

#include <algorithm>
#include <cmath>

#include "error.h"

namespace facelatch {
namespace {

constexpr int side = 48;
constexpr int points = 5;
const Normalisation normalisation{{127.5f, 127.5f, 127.5f}, {0.0078125f, 0.0078125f, 0.0078125f}, false};

/// Where O-Net itself finds the points in crops of its own boxes, on average; shares of the crop.
const Landmarks usual{0.334f, 0.390f, 0.666f, 0.390f, 0.5f, 0.587f, 0.352f, 0.757f, 0.648f, 0.757f};

/// How a crop differs from the usual one: larger by a factor, shifted by shares of its side.
struct Look {
  double scale;
  double right;
  double down;
  bool mirrored;
};

// Two crops to either side of the usual one, so that what O-Net errs by in one it does not in the other, and their
// mirror images: it was not taught to answer them alike. Four crops and theirs were no better at twice the cost.
constexpr double shift = 0.05;
// A little closer than its own boxes: 0.92 was best of 0.92, 1 and 1.1 on half of the people of lfw-dev.
constexpr double closer = 0.92 * 0.95;
// The second half mirrors the first.
constexpr Look looks[] = {
    {closer, -shift, -shift, false},
    {closer, shift, shift, false},
    {closer, -shift, -shift, true},
    {closer, shift, shift, true},
};
constexpr size_t count = sizeof looks / sizeof *looks;

/// Of the picture's left eye, right eye, nose, left and right mouth corner, in a mirror image.
constexpr int mirrored[points] = {1, 0, 2, 4, 3};

/// O-Net's mean score under which it saw no face.
constexpr double least = 0.5;
/// Eye distances that the points may move on average; farther off lies another face, or none.
constexpr double farthest = 0.5;

/// From shares of a crop (0..1) to the picture.
Similarity placed(const Similarity& usualCrop, const Look& look) {
  const double scale = look.scale, x = 0.5 + look.right - scale / 2, y = 0.5 + look.down - scale / 2;
  return {usualCrop.a * scale, usualCrop.b * scale, usualCrop.a * x - usualCrop.b * y + usualCrop.tx,
          usualCrop.b * x + usualCrop.a * y + usualCrop.ty};
}

/// `warp` counts whole pixels from their centres, crops and landmarks count from the edge.
Similarity pixelsOf(const Similarity& crop) {
  const double a = crop.a / side, b = crop.b / side;
  return {a, b, crop.tx + (a - b) / 2 - 0.5, crop.ty + (b + a) / 2 - 0.5};
}

bool near(const Landmarks& a, const Landmarks& b) {
  double distance = 0;
  for (int point = 0; point < points; ++point) {
    distance += std::hypot(a[2 * point] - b[2 * point], a[2 * point + 1] - b[2 * point + 1]) / points;
  }
  return distance <= farthest * std::hypot(a[2] - a[0], a[3] - a[1]);
}

}  // namespace

Landmarker::Landmarker(EngineFactory& engines, const std::string& onet)
    : engine_(engines.load(onet, {{"input", {-1, 3, side, side}},
                                  {{"prob", {0, 2}}, {"regression", {0, 4}}, {"landmarks", {0, 10}}},
                                  {{count, 3, side, side}, {count, 3, side, side}, {count, 3, side, side}},
                                  true})) {}

Landmarks Landmarker::settle(const View& picture, const Landmarks& face) {
  const Similarity usualCrop = inverse(similarity(face, usual));
  input_.reshape({static_cast<int64_t>(count), 3, side, side});
  constexpr size_t each = count / 2, values = static_cast<size_t>(3) * side * side;
  for (size_t i = 0; i < each; ++i) {
    std::vector<uint8_t> crop = warp(picture, pixelsOf(placed(usualCrop, looks[i])), side, side);
    const View view{crop.data(), side, side, static_cast<size_t>(side) * 3};
    normalise(view, normalisation, &input_.values[i * values]);
    mirror(crop, side, side);
    normalise(view, normalisation, &input_.values[(each + i) * values]);
  }
  engine_->run(input_, outputs_);
  if (outputs_[0].values.size() != 2 * count || outputs_[2].values.size() != 10 * count) {
    throw Error(Code::engine, "O-Net answered for another number of crops; run: facelatch models verify");
  }
  std::array<double, 2 * points> sums{};
  double weight = 0;
  for (size_t i = 0; i < count; ++i) {
    const Similarity crop = placed(usualCrop, looks[i]);
    const double score = outputs_[0].values[2 * i + 1];
    const float* of = &outputs_[2].values[10 * i];
    weight += score;
    for (int point = 0; point < points; ++point) {
      const double u = looks[i].mirrored ? 1 - of[point] : of[point], v = of[points + point];
      const size_t at = 2 * static_cast<size_t>(looks[i].mirrored ? mirrored[point] : point);
      sums[at] += score * (crop.a * u - crop.b * v + crop.tx);
      sums[at + 1] += score * (crop.b * u + crop.a * v + crop.ty);
    }
  }
  if (!(weight >= least * count)) return face;
  Landmarks settled{};
  for (size_t i = 0; i < settled.size(); ++i) settled[i] = static_cast<float>(sums[i] / weight);
  return near(settled, face) ? settled : face;
}

}  // namespace facelatch
