// Known faces: exact search, since a home or an office has thousands of templates, not millions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace facelatch {

struct Match {
  int32_t label;
  /// Cosine in [-1, 1].
  float similarity;
};

/// Scales `values` to length 1. False, and no change, when they are not finite or all zero.
bool normaliseRow(float* values, size_t size);

/// Rows without gaps, whatever was added and removed before. Not to be changed while it is searched.
class Gallery {
 public:
  explicit Gallery(size_t dimensions) : dimensions_(dimensions) {}
  /// labels.size() rows of `dimensions`, each scaled to length 1. Throws std::invalid_argument that names the row when
  /// one is not finite or zero, or when `rows` is not labels.size() * dimensions long.
  Gallery(const std::vector<float>& rows, const std::vector<int32_t>& labels, size_t dimensions);

  /// From now on these are all the rows of that label, of any number; none forgets it. Throws as the constructor does,
  /// and changes nothing then. Takes as long as the label has rows, before and after.
  void replace(int32_t label, std::vector<float> rows);

  /// `query` is of length 1 and `dimensions` long. Best similarity per label, best first, at most `k` labels.
  std::vector<Match> best(const float* query, size_t k) const;

  size_t size() const { return ownerOf_.size(); }

 private:
  struct Owner {
    int32_t label;
    std::vector<uint32_t> rows;
  };

  uint32_t ownerWith(int32_t label);
  void append(uint32_t owner, const float* values);
  void removeRow(uint32_t row);
  void removeOwner(uint32_t owner);
  float* at(size_t row);

  size_t dimensions_;
  /// In pieces, so that a million rows are not copied to make room for one more.
  std::vector<std::vector<float>> pieces_;
  std::vector<uint32_t> ownerOf_;  // row -> index in owners_
  std::vector<Owner> owners_;
  std::unordered_map<int32_t, uint32_t> indexOf_;  // label -> index in owners_
};

}  // namespace facelatch
