#include "detector.h"

#include <algorithm>
#include <cmath>

#include "mtcnn.h"
#include "yunet.h"

namespace facelatch {
namespace {

double area(const Box& box) { return box.width * box.height; }

double overlapOf(const Box& a, const Box& b, Overlap overlap) {
  const double width = std::min(a.x + a.width, b.x + b.width) - std::max(a.x, b.x);
  const double height = std::min(a.y + a.height, b.y + b.height) - std::max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  const double shared = width * height;
  return shared / (overlap == Overlap::ofUnion ? area(a) + area(b) - shared : std::min(area(a), area(b)));
}

bool better(const Candidate& a, const Candidate& b) { return a.score > b.score; }

}  // namespace

double millisecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

std::unique_ptr<Detector> makeDetector(EngineFactory& engines, const DetectorOptions& options) {
  if (options.type == DetectorType::yunet) return std::make_unique<Yunet>(engines, options);
  return std::make_unique<Mtcnn>(engines, options);
}

void suppress(std::vector<Candidate>& candidates, double limit, Overlap overlap) {
  std::stable_sort(candidates.begin(), candidates.end(), better);
  std::vector<Candidate> kept;
  for (const Candidate& candidate : candidates) {
    const bool covered = std::any_of(kept.begin(), kept.end(), [&](const Candidate& winner) {
      return overlapOf(winner.box, candidate.box, overlap) > limit;
    });
    if (!covered) kept.push_back(candidate);
  }
  candidates.swap(kept);
}

void keepBest(std::vector<Candidate>& candidates, size_t most) {
  if (candidates.size() <= most) return;
  const auto end = candidates.begin() + static_cast<std::ptrdiff_t>(most);
  std::nth_element(candidates.begin(), end, candidates.end(), better);
  candidates.erase(end, candidates.end());
}

void dropUnusable(std::vector<Candidate>& candidates, const View& picture) {
  const auto unusable = [&picture](const Candidate& candidate) {
    const Box& box = candidate.box;
    return !(box.width >= 1 && box.height >= 1 && std::isfinite(box.x) && std::isfinite(box.y) &&
             box.x < picture.width && box.y < picture.height && box.x + box.width > 0 && box.y + box.height > 0);
  };
  candidates.erase(std::remove_if(candidates.begin(), candidates.end(), unusable), candidates.end());
}

Box squared(const Box& box, double growth) {
  const double side = std::max(box.width, box.height) * growth;
  return {box.x + (box.width - side) / 2, box.y + (box.height - side) / 2, side, side};
}

std::vector<Face> largest(std::vector<Candidate> candidates, size_t most) {
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return area(a.box) > area(b.box); });
  if (candidates.size() > most)
    candidates.erase(candidates.begin() + static_cast<std::ptrdiff_t>(most), candidates.end());
  std::vector<Face> faces;
  for (const Candidate& candidate : candidates) faces.push_back({candidate.box, candidate.landmarks, candidate.score});
  return faces;
}

}  // namespace facelatch
