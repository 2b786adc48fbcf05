#include "liveness.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "error.h"

namespace facelatch {
namespace {

constexpr size_t mostInBatch = 16;
/// The nets' classes: a flat picture, a living face, a picture of another kind.
constexpr size_t classes = 3;
constexpr size_t live = 1;

/// log(p / (1 - p)) of the class "live" from the last layer's values.
float logOdds(const float* values) {
  const float most = *std::max_element(values, values + classes);
  float others = 0;
  for (size_t i = 0; i < classes; ++i) {
    if (i != live) others += std::exp(values[i] - most);
  }
  const float odds = values[live] - most - std::log(others);
  return std::clamp(odds, -30.f, 30.f);
}

}  // namespace

Box livenessCrop(const Box& face, double scale, int width, int height) {
  scale = std::min({scale, (height - 1) / face.height, (width - 1) / face.width});
  const auto along = [scale](double start, double length, int size) {
    const double reach = length * scale;
    const double from = std::clamp(start + length / 2 - reach / 2, 0.0, std::max(0.0, size - 1 - reach));
    const int first = static_cast<int>(from);
    return std::pair<int, int>(first, std::min(size - 1, static_cast<int>(from + reach)) - first + 1);
  };
  const auto [x, columns] = along(face.x, face.width, width);
  const auto [y, rows] = along(face.y, face.height, height);
  return {static_cast<double>(x), static_cast<double>(y), static_cast<double>(columns), static_cast<double>(rows)};
}

Liveness::Liveness(EngineFactory& engines, std::vector<LivenessNetOptions> nets) {
  for (LivenessNetOptions& options : nets) {
    const std::vector<int64_t> one{1, 3, options.height, options.width};
    const std::vector<int64_t> most{mostInBatch, 3, options.height, options.width};
    // Exact: the operating point was measured so, and the nets are small.
    auto engine = engines.load(
        options.path, {{"", {0, 3, options.height, options.width}}, {{"", {0, classes}}}, {one, one, most}, true});
    nets_.push_back({std::move(options), std::move(engine)});
  }
}

std::vector<std::vector<float>> Liveness::judge(const View& picture, const std::vector<Box>& faces) {
  std::vector<std::vector<float>> odds(faces.size());
  for (Net& net : nets_) {
    const LivenessNetOptions& options = net.options;
    for (size_t begin = 0; begin < faces.size(); begin += mostInBatch) {
      const size_t count = std::min(mostInBatch, faces.size() - begin);
      // Without averaging, however much it shrinks: the nets were taught with what that leaves of a print's or a
      // screen's grain.
      Shot shot{Shot::Sampling::bilinear, options.width, options.height, options.normalisation};
      for (size_t i = 0; i < count; ++i) {
        shot.regions.push_back(livenessCrop(faces[begin + i], options.crop, picture.width, picture.height));
      }
      net.engine->look(picture, {shot}, answers_);
      const std::vector<float>& values = answers_[0].outputs[0].values;
      if (values.size() != count * classes) {
        throw Error(Code::engine, "a liveness net answered for another number of faces; run: facelatch models verify");
      }
      for (size_t i = 0; i < count; ++i) {
        const float value = logOdds(&values[i * classes]);
        if (!std::isfinite(value)) {
          throw Error(Code::engine, "a liveness net answered no finite number; run: facelatch models verify");
        }
        odds[begin + i].push_back(value);
      }
    }
  }
  return odds;
}

}  // namespace facelatch
