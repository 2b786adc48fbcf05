#include "mtcnn.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "error.h"

namespace facelatch {
namespace {

constexpr int window = 12;
constexpr int stride = 2;
constexpr int rnetSide = 24;
constexpr int onetSide = 48;
// Bounds on memory and time for a picture full of texture; a crowd of faces stays far below.
constexpr size_t mostPerScale = 512;
constexpr size_t mostCandidates = 256;
constexpr size_t rnetBatch = 32;
constexpr size_t onetBatch = 16;
// A face moves between frames, and O-Net's boxes fit tighter than the ones R-Net was taught with.
constexpr double regionGrowth = 1.15;
const Normalisation normalisation{{127.5f, 127.5f, 127.5f}, {0.0078125f, 0.0078125f, 0.0078125f}, false};

ShapeRange pyramidRange(double minFace) {
  const auto scaled = [minFace](double pixels) { return static_cast<int64_t>(std::ceil(pixels * window / minFace)); };
  return {
      {1, 3, window, window}, {1, 3, scaled(480), scaled(640)}, {1, 3, scaled(longestPicture), scaled(longestPicture)}};
}

ShapeRange cropRange(int side, size_t batch) {
  const auto most = static_cast<int64_t>(batch);
  return {{1, 3, side, side}, {most / 4, 3, side, side}, {most, 3, side, side}};
}

}  // namespace

Box regressed(const Box& box, const std::array<float, 4>& regression) {
  const double left = box.x + regression[0] * box.width;
  const double top = box.y + regression[1] * box.height;
  const double right = box.x + box.width + regression[2] * box.width;
  const double bottom = box.y + box.height + regression[3] * box.height;
  return {left, top, right - left, bottom - top};
}

std::vector<double> pyramid(int width, int height, double minFace, double factor) {
  std::vector<double> scales;
  double scale = window / minFace;
  while (std::min(width, height) * scale >= window) {
    scales.push_back(scale);
    scale *= factor;
  }
  return scales;
}

// Exact: in FP16 suppression picked other candidates, boxes moved by up to 3.8 pixels (1549 pictures, H100), and
// nothing was faster.
Mtcnn::Mtcnn(EngineFactory& engines, DetectorOptions options)
    : options_(std::move(options)),
      pnet_(engines.load(options_.pnet, {{"input", {-1, 3, -1, -1}},
                                         {{"prob", {-1, 2, -1, -1}}, {"regression", {-1, 4, -1, -1}}},
                                         pyramidRange(options_.minFace),
                                         true})),
      rnet_(engines.load(options_.rnet, {{"input", {-1, 3, rnetSide, rnetSide}},
                                         {{"prob", {0, 2}}, {"regression", {0, 4}}},
                                         cropRange(rnetSide, rnetBatch),
                                         true})),
      onet_(engines.load(options_.onet, {{"input", {-1, 3, onetSide, onetSide}},
                                         {{"prob", {0, 2}}, {"regression", {0, 4}}, {"landmarks", {0, 10}}},
                                         cropRange(onetSide, onetBatch),
                                         true})) {}

std::vector<Face> Mtcnn::detect(const View& picture, DetectTimings& timings) {
  const auto start = std::chrono::steady_clock::now();
  const Box whole{0, 0, static_cast<double>(picture.width), static_cast<double>(picture.height)};
  std::vector<Shot> levels;
  for (const double scale : pyramid(picture.width, picture.height, options_.minFace, options_.factor)) {
    levels.push_back({Shot::Sampling::averaged,
                      static_cast<int>(std::ceil(picture.width * scale)),
                      static_cast<int>(std::ceil(picture.height * scale)),
                      normalisation,
                      {whole}});
  }
  pnet_->look(picture, levels, answers_);
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < levels.size(); ++i) propose(picture, levels[i], answers_[i], candidates);
  suppress(candidates, 0.7, Overlap::ofUnion);
  keepBest(candidates, mostCandidates);
  for (Candidate& candidate : candidates) candidate.box = squared(regressed(candidate.box, candidate.regression));
  timings.pnet = millisecondsSince(start);
  return refineCandidates(picture, std::move(candidates), timings);
}

std::vector<Face> Mtcnn::refine(const View& picture, const std::vector<Box>& regions, DetectTimings& timings) {
  std::vector<Candidate> candidates;
  for (const Box& region : regions) candidates.push_back({squared(region, regionGrowth), 1});
  return refineCandidates(picture, std::move(candidates), timings);
}

void Mtcnn::propose(const View& picture, const Shot& level, const Answer& answer, std::vector<Candidate>& found) const {
  const Tensor& prob = answer.outputs[0];
  const Tensor& regression = answer.outputs[1];
  const int64_t rows = prob.shape[2], columns = prob.shape[3];
  const size_t plane = static_cast<size_t>(rows * columns);
  if (regression.values.size() != 4 * plane) {
    throw Error(Code::engine, "P-Net answered maps of different sizes; run: facelatch models verify");
  }
  // Rounding the scaled picture up to whole pixels stretches it a little, and each axis on its own.
  const double toX = static_cast<double>(picture.width) / level.width;
  const double toY = static_cast<double>(picture.height) / level.height;
  std::vector<Candidate> candidates;
  for (size_t cell = 0; cell < plane; ++cell) {
    const float score = prob.values[plane + cell];
    if (!(score >= options_.scores[0])) continue;
    const double x = static_cast<double>(stride * (cell % columns)), y = static_cast<double>(stride * (cell / columns));
    Candidate candidate{{x * toX, y * toY, window * toX, window * toY}, score};
    for (size_t side = 0; side < 4; ++side) candidate.regression[side] = regression.values[side * plane + cell];
    candidates.push_back(candidate);
  }
  keepBest(candidates, mostPerScale);
  suppress(candidates, 0.5, Overlap::ofUnion);
  found.insert(found.end(), candidates.begin(), candidates.end());
}

/// Runs the crops through R-Net or O-Net and keeps the candidates that reach `least`.
void Mtcnn::score(Engine& engine, const View& picture, int side, size_t batch, float least, bool landmarks,
                  std::vector<Candidate>& candidates) {
  std::vector<Candidate> kept;
  for (size_t begin = 0; begin < candidates.size(); begin += batch) {
    const size_t count = std::min(batch, candidates.size() - begin);
    Shot shot{Shot::Sampling::averaged, side, side, normalisation};
    for (size_t i = 0; i < count; ++i) shot.regions.push_back(candidates[begin + i].box);
    engine.look(picture, {shot}, answers_);
    const std::vector<Tensor>& outputs = answers_[0].outputs;
    if (outputs[0].values.size() != 2 * count || outputs[1].values.size() != 4 * count ||
        (landmarks && outputs[2].values.size() != 10 * count)) {
      throw Error(Code::engine,
                  "a detector network answered for another number of boxes; run: facelatch models verify");
    }
    for (size_t i = 0; i < count; ++i) {
      Candidate candidate = candidates[begin + i];
      candidate.score = outputs[0].values[2 * i + 1];
      if (!(candidate.score >= least)) continue;
      std::copy_n(&outputs[1].values[4 * i], 4, candidate.regression.begin());
      for (size_t point = 0; landmarks && point < 5; ++point) {
        const float* of = &outputs[2].values[10 * i];
        candidate.landmarks[2 * point] = static_cast<float>(candidate.box.x + of[point] * candidate.box.width);
        candidate.landmarks[2 * point + 1] = static_cast<float>(candidate.box.y + of[5 + point] * candidate.box.height);
      }
      kept.push_back(candidate);
    }
  }
  candidates.swap(kept);
}

std::vector<Face> Mtcnn::refineCandidates(const View& picture, std::vector<Candidate> candidates,
                                          DetectTimings& timings) {
  auto start = std::chrono::steady_clock::now();
  dropUnusable(candidates, picture);
  score(*rnet_, picture, rnetSide, rnetBatch, options_.scores[1], false, candidates);
  suppress(candidates, 0.7, Overlap::ofUnion);
  for (Candidate& candidate : candidates) candidate.box = squared(regressed(candidate.box, candidate.regression));
  dropUnusable(candidates, picture);
  timings.rnet = millisecondsSince(start);

  start = std::chrono::steady_clock::now();
  score(*onet_, picture, onetSide, onetBatch, options_.scores[2], true, candidates);
  for (Candidate& candidate : candidates) candidate.box = regressed(candidate.box, candidate.regression);
  dropUnusable(candidates, picture);
  suppress(candidates, 0.7, Overlap::ofSmaller);
  std::vector<Face> faces = largest(std::move(candidates), options_.maxFaces);
  timings.onet = millisecondsSince(start);
  return faces;
}

}  // namespace facelatch
