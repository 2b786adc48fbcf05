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
};

// Two crops to either side of the usual one, so that what O-Net errs by in one it does not in the other, and their
// mirror images: it was not taught to answer them alike. Four crops and theirs were no better at twice the cost.
constexpr double shift = 0.05;
// A little closer than its own boxes: 0.92 was best of 0.92, 1 and 1.1 on half of the people of lfw-dev.
constexpr double closer = 0.92 * 0.95;
constexpr Look looks[] = {{closer, -shift, -shift}, {closer, shift, shift}};
constexpr size_t pieces = sizeof looks / sizeof *looks;
/// With the mirror images, which a shot puts behind the others.
constexpr size_t count = 2 * pieces;
// Bounds memory when a crowd stands before the door.
constexpr size_t mostFaces = 8;

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

/// One face's points from what O-Net says of its crops; `face` where that is nothing.
Landmarks settled(const Landmarks& face, const Similarity& usualCrop, const std::vector<Tensor>& outputs) {
  if (outputs[0].values.size() != 2 * count || outputs[2].values.size() != 10 * count) {
    throw Error(Code::engine, "O-Net answered for another number of crops; run: facelatch models verify");
  }
  std::array<double, 2 * points> sums{};
  double weight = 0;
  for (size_t i = 0; i < count; ++i) {
    const bool turned = i >= pieces;
    const Similarity crop = placed(usualCrop, looks[i % pieces]);
    const double score = outputs[0].values[2 * i + 1];
    const float* of = &outputs[2].values[10 * i];
    weight += score;
    for (int point = 0; point < points; ++point) {
      const double u = turned ? 1 - of[point] : of[point], v = of[points + point];
      const size_t at = 2 * static_cast<size_t>(turned ? mirrored[point] : point);
      sums[at] += score * (crop.a * u - crop.b * v + crop.tx);
      sums[at + 1] += score * (crop.b * u + crop.a * v + crop.ty);
    }
  }
  if (!(weight >= least * count)) return face;
  Landmarks result{};
  for (size_t i = 0; i < result.size(); ++i) result[i] = static_cast<float>(sums[i] / weight);
  return near(result, face) ? result : face;
}

}  // namespace

Landmarker::Landmarker(EngineFactory& engines, const std::string& onet)
    : engine_(engines.load(onet, {{"input", {-1, 3, side, side}},
                                  {{"prob", {0, 2}}, {"regression", {0, 4}}, {"landmarks", {0, 10}}},
                                  {{count, 3, side, side}, {count, 3, side, side}, {mostFaces * count, 3, side, side}},
                                  true})) {}

std::vector<Landmarks> Landmarker::settle(const View& picture, const std::vector<Landmarks>& faces) {
  std::vector<Similarity> usualCrops;
  std::vector<Shot> shots;
  for (const Landmarks& face : faces) {
    usualCrops.push_back(inverse(similarity(face, usual)));
    Shot shot{Shot::Sampling::aligned, side, side, normalisation};
    for (const Look& look : looks) shot.placements.push_back(pixelsOf(placed(usualCrops.back(), look)));
    shot.mirrored = true;
    shots.push_back(std::move(shot));
  }
  engine_->look(picture, shots, answers_);
  std::vector<Landmarks> result;
  for (size_t i = 0; i < faces.size(); ++i) result.push_back(settled(faces[i], usualCrops[i], answers_[i].outputs));
  return result;
}

}  // namespace facelatch
