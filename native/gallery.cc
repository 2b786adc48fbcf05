#include "gallery.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "simd.h"

namespace facelatch {
namespace {

constexpr size_t lanes = 8;

/// Eight running sums give the compiler a vector to keep them in; one sum would force it to add in order.
inline float dot(const float* a, const float* b, size_t size) {
  float sums[lanes] = {};
  size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    for (size_t lane = 0; lane < lanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  float sum = 0;
  for (; i < size; ++i) sum += a[i] * b[i];
  for (const float lane : sums) sum += lane;
  return sum;
}

/// The query with each row.
FACELATCH_SIMD void compare(const float* query, const float* rows, size_t count, size_t dimensions,
                            float* similarities) {
  for (size_t row = 0; row < count; ++row) {
    // Rounding takes the product of two unit vectors a hair beyond 1.
    similarities[row] = std::clamp(dot(query, rows + row * dimensions, dimensions), -1.f, 1.f);
  }
}

/// Rows compared at a time: what is said of them stays in the cache.
constexpr size_t stretch = 1024;

}  // namespace

bool normaliseRow(float* values, size_t size) {
  double square = 0;
  for (size_t i = 0; i < size; ++i) square += static_cast<double>(values[i]) * values[i];
  if (!std::isfinite(square) || !(square > 1e-20)) return false;
  const double scale = 1 / std::sqrt(square);
  for (size_t i = 0; i < size; ++i) values[i] = static_cast<float>(values[i] * scale);
  return true;
}

Gallery::Gallery(std::vector<float> rows, const std::vector<int32_t>& labels, size_t dimensions)
    : rows_(std::move(rows)), labels_(labels), dimensions_(dimensions) {
  if (rows_.size() != labels.size() * dimensions) {
    throw std::invalid_argument("embeddings hold " + std::to_string(rows_.size()) + " numbers, not " +
                                std::to_string(labels.size()) + " rows of " + std::to_string(dimensions));
  }
  std::sort(labels_.begin(), labels_.end());
  labels_.erase(std::unique(labels_.begin(), labels_.end()), labels_.end());
  labelOf_.reserve(labels.size());
  for (size_t row = 0; row < labels.size(); ++row) {
    if (!normaliseRow(&rows_[row * dimensions], dimensions)) {
      throw std::invalid_argument("embeddings row " + std::to_string(row) + " is zero or not finite");
    }
    const auto found = std::lower_bound(labels_.begin(), labels_.end(), labels[row]);
    labelOf_.push_back(static_cast<uint32_t>(found - labels_.begin()));
  }
}

std::vector<Match> Gallery::best(const float* query, size_t k) const {
  std::vector<Match> matches;
  matches.reserve(labels_.size());
  for (const int32_t label : labels_) matches.push_back({label, -1.f});
  float similarities[stretch];
  for (size_t begin = 0; begin < labelOf_.size(); begin += stretch) {
    const size_t rows = std::min(stretch, labelOf_.size() - begin);
    compare(query, &rows_[begin * dimensions_], rows, dimensions_, similarities);
    for (size_t row = 0; row < rows; ++row) {
      float& bestOfLabel = matches[labelOf_[begin + row]].similarity;
      bestOfLabel = std::max(bestOfLabel, similarities[row]);
    }
  }
  const size_t count = std::min(k, matches.size());
  std::partial_sort(matches.begin(), matches.begin() + static_cast<std::ptrdiff_t>(count), matches.end(),
                    [](const Match& a, const Match& b) {
                      return a.similarity != b.similarity ? a.similarity > b.similarity : a.label < b.label;
                    });
  matches.resize(count);
  return matches;
}

}  // namespace facelatch
