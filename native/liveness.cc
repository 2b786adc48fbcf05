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

/// Where a pixel of the small picture comes from along one axis.
struct Tap {
  int first;
  int second;
  float share;
};

std::vector<Tap> taps(double from, double length, int outputs) {
  const double step = length / outputs;
  const int low = static_cast<int>(from), high = static_cast<int>(from + length) - 1;
  std::vector<Tap> result;
  for (int i = 0; i < outputs; ++i) {
    const double at = from + (i + 0.5) * step - 0.5;
    const double left = std::floor(at);
    result.push_back({std::clamp(static_cast<int>(left), low, high), std::clamp(static_cast<int>(left) + 1, low, high),
                      static_cast<float>(at - left)});
  }
  return result;
}

/// Bilinear without averaging, however much it shrinks: the nets were taught with what that leaves of a print's or a
/// screen's grain.
void sample(const View& picture, const Box& region, const LivenessNetOptions& net, float* planes) {
  const std::vector<Tap> columns = taps(region.x, region.width, net.width);
  const std::vector<Tap> rows = taps(region.y, region.height, net.height);
  const size_t area = static_cast<size_t>(net.width) * net.height;
  for (int y = 0; y < net.height; ++y) {
    const uint8_t* upper = picture.pixels + rows[y].first * picture.stride;
    const uint8_t* lower = picture.pixels + rows[y].second * picture.stride;
    const float down = rows[y].share;
    for (int x = 0; x < net.width; ++x) {
      const auto [first, second, right] = columns[x];
      for (int channel = 0; channel < 3; ++channel) {
        const auto across = [&, left = first, next = second, part = right](const uint8_t* row) {
          return (1 - part) * row[3 * left + channel] + part * row[3 * next + channel];
        };
        const float value = (1 - down) * across(upper) + down * across(lower);
        const int plane = net.normalisation.bgr ? 2 - channel : channel;
        planes[plane * area + static_cast<size_t>(y) * net.width + x] =
            (value - net.normalisation.mean[plane]) * net.normalisation.scale[plane];
      }
    }
  }
}

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
    const size_t crop = static_cast<size_t>(3) * options.width * options.height;
    const size_t frozen = net.engine->batch() > 0 ? static_cast<size_t>(net.engine->batch()) : 0;
    const size_t step = frozen > 0 ? frozen : mostInBatch;
    for (size_t begin = 0; begin < faces.size(); begin += step) {
      const size_t count = std::min(step, faces.size() - begin);
      const size_t rows = frozen > 0 ? frozen : count;
      input_.reshape({static_cast<int64_t>(rows), 3, options.height, options.width});
      std::fill(input_.values.begin() + static_cast<std::ptrdiff_t>(count * crop), input_.values.end(), 0.f);
      for (size_t i = 0; i < count; ++i) {
        const Box region = livenessCrop(faces[begin + i], options.crop, picture.width, picture.height);
        sample(picture, region, options, &input_.values[i * crop]);
      }
      net.engine->run(input_, outputs_);
      if (outputs_[0].values.size() != rows * classes) {
        throw Error(Code::engine, "a liveness net answered for another number of faces; run: facelatch models verify");
      }
      for (size_t i = 0; i < count; ++i) {
        const float value = logOdds(&outputs_[0].values[i * classes]);
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
