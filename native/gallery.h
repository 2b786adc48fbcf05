// Known faces as one matrix: exact search, since a home or an office has thousands of rows, not millions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace facelatch {

struct Match {
  int32_t label;
  /// Cosine in [-1, 1].
  float similarity;
};

/// Scales `values` to length 1. False, and no change, when they are not finite or all zero.
bool normaliseRow(float* values, size_t size);

/// Immutable; share it by pointer and replace the pointer.
class Gallery {
 public:
  Gallery() = default;
  /// Copies labels.size() rows of `dimensions` and scales each to length 1. Throws std::invalid_argument that names the
  /// row when one is not finite or zero, or when `rows` is not labels.size() * dimensions long.
  Gallery(std::vector<float> rows, const std::vector<int32_t>& labels, size_t dimensions);

  /// `query` is of length 1 and `dimensions` long. Best similarity per label, best first, at most `k` labels.
  std::vector<Match> best(const float* query, size_t k) const;

 private:
  std::vector<float> rows_;
  std::vector<int32_t> labels_;    // distinct, ascending
  std::vector<uint32_t> labelOf_;  // row -> index in labels_
  size_t dimensions_ = 0;
};

}  // namespace facelatch
