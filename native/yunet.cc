#include "yunet.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>

#include "error.h"

namespace facelatch {
namespace {

constexpr std::array<int, 3> strides = {8, 16, 32};
constexpr int coarsest = 32;
/// The smallest face is shown to the net at this size: it finds smaller ones, but its landmarks get vague.
constexpr double smallestShown = 20;
/// A face that fills a side of this many pixels is still found; larger views are looked at once more, made smaller.
constexpr double largestShown = 640;
/// A predicted face is looked at in a square this many times its size, with that many pixels a side.
constexpr double regionGrowth = 2;
constexpr int regionSide = 128;
constexpr double overlapLimit = 0.3;
constexpr size_t mostCandidates = 512;
const Normalisation normalisation{{0, 0, 0}, {1, 1, 1}, true};

int paddedTo(double pixels) { return coarsest * std::max(1, static_cast<int>(std::ceil(pixels / coarsest - 1e-9))); }

double finest(double minFace) { return std::min(1.0, smallestShown / minFace); }

ModelSpec specification(double minFace) {
  ModelSpec spec{{"input", {-1, 3, -1, -1}}, {}};
  for (const auto& [map, depth] : {std::pair("cls_", 1), {"obj_", 1}, {"bbox_", 4}, {"kps_", 10}}) {
    for (const int stride : strides) spec.outputs.push_back({map + std::to_string(stride), {0, 0, depth}});
  }
  const auto shown = [scale = finest(minFace)](double pixels) { return int64_t{paddedTo(pixels * scale)}; };
  spec.range = {
      {1, 3, coarsest, coarsest}, {1, 3, shown(480), shown(640)}, {1, 3, shown(longestPicture), shown(longestPicture)}};
  // As with MTCNN: which of two boxes wins is not for rounding to choose.
  spec.exact = true;
  return spec;
}

bool within(const Box& box, const Box& region) {
  const double x = box.x + box.width / 2, y = box.y + box.height / 2;
  return x >= region.x && x < region.x + region.width && y >= region.y && y < region.y + region.height;
}

}  // namespace

std::vector<double> yunetScales(int width, int height, double minFace) {
  std::vector<double> scales;
  // Smaller than the smallest face.
  if (std::min(width, height) < minFace) return scales;
  double scale = finest(minFace);
  scales.push_back(scale);
  while (std::max(width, height) * scale > largestShown) scales.push_back(scale /= 4);
  return scales;
}

std::vector<Candidate> decodeYunet(const std::vector<Tensor>& maps, int width, int height, float least) {
  std::vector<Candidate> found;
  for (size_t level = 0; level < strides.size(); ++level) {
    const int stride = strides[level];
    const size_t columns = static_cast<size_t>(width / stride), cells = columns * static_cast<size_t>(height / stride);
    const auto map = [&](size_t kind) -> const std::vector<float>& {
      return maps.at(kind * strides.size() + level).values;
    };
    const std::vector<float>&cls = map(0), &obj = map(1), &bbox = map(2), &kps = map(3);
    if (cls.size() != cells || obj.size() != cells || bbox.size() != 4 * cells || kps.size() != 10 * cells) {
      throw Error(Code::engine, "YuNet answered maps of a wrong size; run: facelatch models verify");
    }
    for (size_t cell = 0; cell < cells; ++cell) {
      const float score = std::sqrt(std::clamp(cls[cell], 0.f, 1.f) * std::clamp(obj[cell], 0.f, 1.f));
      if (!(score >= least)) continue;
      const double column = static_cast<double>(cell % columns), row = static_cast<double>(cell / columns);
      const float* shift = &bbox[4 * cell];
      const double boxWidth = std::exp(shift[2]) * stride, boxHeight = std::exp(shift[3]) * stride;
      Candidate candidate{
          {(column + shift[0]) * stride - boxWidth / 2, (row + shift[1]) * stride - boxHeight / 2, boxWidth, boxHeight},
          score};
      for (size_t point = 0; point < 5; ++point) {
        candidate.landmarks[2 * point] = static_cast<float>((column + kps[10 * cell + 2 * point]) * stride);
        candidate.landmarks[2 * point + 1] = static_cast<float>((row + kps[10 * cell + 2 * point + 1]) * stride);
      }
      found.push_back(candidate);
    }
  }
  keepBest(found, mostCandidates);
  return found;
}

Yunet::Yunet(EngineFactory& engines, DetectorOptions options)
    : options_(std::move(options)), engine_(engines.load(options_.yunet, specification(options_.minFace))) {}

std::vector<Face> Yunet::detect(const View& picture, DetectTimings& timings) {
  const auto start = std::chrono::steady_clock::now();
  const Box whole{0, 0, static_cast<double>(picture.width), static_cast<double>(picture.height)};
  std::vector<Window> windows;
  for (const double scale : yunetScales(picture.width, picture.height, options_.minFace)) {
    windows.push_back({whole, scale});
  }
  std::vector<Candidate> candidates;
  for (const std::vector<Candidate>& found : read(picture, windows)) {
    candidates.insert(candidates.end(), found.begin(), found.end());
  }
  std::vector<Face> faces = finish(picture, std::move(candidates));
  timings.yunet = millisecondsSince(start);
  return faces;
}

std::vector<Face> Yunet::refine(const View& picture, const std::vector<Box>& regions, DetectTimings& timings) {
  const double scale = finest(options_.minFace);
  const double sweep = picture.width * scale * picture.height * scale;
  if (static_cast<double>(regions.size()) * regionSide * regionSide > sweep) return detect(picture, timings);
  const auto start = std::chrono::steady_clock::now();
  std::vector<Window> windows;
  std::vector<Box> seen;
  for (const Box& region : regions) {
    const Box square = squared(region, regionGrowth);
    if (!(square.width >= 1)) continue;
    windows.push_back({square, regionSide / square.width});
    seen.push_back(region);
  }
  const std::vector<std::vector<Candidate>> found = read(picture, windows);
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < found.size(); ++i) {
    // Neighbours are cut off by the square's edge.
    std::copy_if(found[i].begin(), found[i].end(), std::back_inserter(candidates),
                 [&](const Candidate& candidate) { return within(candidate.box, seen[i]); });
  }
  std::vector<Face> faces = finish(picture, std::move(candidates));
  timings.yunet = millisecondsSince(start);
  return faces;
}

/// What the net finds in each window, in the picture's coordinates.
std::vector<std::vector<Candidate>> Yunet::read(const View& picture, const std::vector<Window>& windows) {
  std::vector<Shot> shots;
  for (const auto& [region, scale] : windows) {
    const int width = paddedTo(region.width * scale), height = paddedTo(region.height * scale);
    shots.push_back({Shot::Sampling::averaged,
                     width,
                     height,
                     normalisation,
                     {{region.x, region.y, width / scale, height / scale}}});
  }
  engine_->look(picture, shots, answers_);
  std::vector<std::vector<Candidate>> found;
  for (size_t i = 0; i < windows.size(); ++i) {
    const auto& [region, scale] = windows[i];
    found.push_back(decodeYunet(answers_[i].outputs, shots[i].width, shots[i].height, options_.score));
    for (Candidate& candidate : found.back()) {
      Box& box = candidate.box;
      box = {region.x + box.x / scale, region.y + box.y / scale, box.width / scale, box.height / scale};
      for (size_t point = 0; point < candidate.landmarks.size(); ++point) {
        candidate.landmarks[point] =
            static_cast<float>((point % 2 == 0 ? region.x : region.y) + candidate.landmarks[point] / scale);
      }
    }
  }
  return found;
}

std::vector<Face> Yunet::finish(const View& picture, std::vector<Candidate> candidates) const {
  dropUnusable(candidates, picture);
  suppress(candidates, overlapLimit, Overlap::ofUnion);
  return largest(std::move(candidates), options_.maxFaces);
}

}  // namespace facelatch
