#include "gallery.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

#include "simd.h"

namespace facelatch {
namespace {

constexpr size_t lanes = 8;
typedef float Lanes __attribute__((vector_size(lanes * sizeof(float))));

/// Rows compared at a time: each has a sum of its own to wait for, and the query is read once for all of them.
constexpr size_t abreast = 4;
/// So far ahead memory is asked for, in numbers: 4 KiB, a page, which is where the processor's own foresight ends.
constexpr size_t ahead = 1024;
/// Rows in a piece, and similarities kept until they are looked at: those stay in the cache.
constexpr size_t pieceRows = 1024;

/// Eight running sums a row: one would have to be added in order. However many rows go abreast, each is rounded alike.
template <size_t rows>
inline void compareRows(const float* query, const float* from, size_t dimensions, float* similarities) {
  Lanes sums[rows] = {};
  size_t i = 0;
  for (; i + lanes <= dimensions; i += lanes) {
    Lanes wanted;
    std::memcpy(&wanted, query + i, sizeof wanted);
    for (size_t row = 0; row < rows; ++row) {
      const float* place = from + row * dimensions + i;
      __builtin_prefetch(place + ahead);
      Lanes values;
      std::memcpy(&values, place, sizeof values);
      sums[row] += wanted * values;
    }
  }
  for (size_t row = 0; row < rows; ++row) {
    float sum = 0;
    for (size_t rest = i; rest < dimensions; ++rest) sum += query[rest] * from[row * dimensions + rest];
    for (size_t lane = 0; lane < lanes; ++lane) sum += sums[row][lane];
    // Rounding takes the product of two unit vectors a hair beyond 1.
    similarities[row] = std::clamp(sum, -1.f, 1.f);
  }
}

/// The query with each row.
FACELATCH_SIMD void compare(const float* query, const float* rows, size_t count, size_t dimensions,
                            float* similarities) {
  size_t row = 0;
  for (; row + abreast <= count; row += abreast) {
    compareRows<abreast>(query, rows + row * dimensions, dimensions, similarities + row);
  }
  for (; row < count; ++row) compareRows<1>(query, rows + row * dimensions, dimensions, similarities + row);
}

}  // namespace

bool normaliseRow(float* values, size_t size) {
  double square = 0;
  for (size_t i = 0; i < size; ++i) square += static_cast<double>(values[i]) * values[i];
  if (!std::isfinite(square) || !(square > 1e-20)) return false;
  const double scale = 1 / std::sqrt(square);
  for (size_t i = 0; i < size; ++i) values[i] = static_cast<float>(values[i] * scale);
  return true;
}

Gallery::Gallery(const std::vector<float>& rows, const std::vector<int32_t>& labels, size_t dimensions)
    : dimensions_(dimensions) {
  if (rows.size() != labels.size() * dimensions) {
    throw std::invalid_argument("embeddings hold " + std::to_string(rows.size()) + " numbers, not " +
                                std::to_string(labels.size()) + " rows of " + std::to_string(dimensions));
  }
  ownerOf_.reserve(labels.size());
  for (size_t row = 0; row < labels.size(); ++row) {
    append(ownerWith(labels[row]), &rows[row * dimensions]);
    if (!normaliseRow(at(row), dimensions)) {
      throw std::invalid_argument("embeddings row " + std::to_string(row) + " is zero or not finite");
    }
  }
}

void Gallery::replace(int32_t label, std::vector<float> rows) {
  if (rows.size() % dimensions_ != 0) {
    throw std::invalid_argument("embeddings hold " + std::to_string(rows.size()) + " numbers, not rows of " +
                                std::to_string(dimensions_));
  }
  for (size_t i = 0; i < rows.size(); i += dimensions_) {
    if (!normaliseRow(&rows[i], dimensions_)) {
      throw std::invalid_argument("embeddings row " + std::to_string(i / dimensions_) + " is zero or not finite");
    }
  }
  const auto known = indexOf_.find(label);
  if (known != indexOf_.end()) removeOwner(known->second);
  if (rows.empty()) return;
  const uint32_t owner = ownerWith(label);
  for (size_t i = 0; i < rows.size(); i += dimensions_) append(owner, &rows[i]);
}

/// The last row takes the place of the one that goes.
void Gallery::removeRow(uint32_t row) {
  const uint32_t last = static_cast<uint32_t>(ownerOf_.size() - 1);
  if (row != last) {
    std::copy_n(at(last), dimensions_, at(row));
    ownerOf_[row] = ownerOf_[last];
    std::vector<uint32_t>& moved = owners_[ownerOf_[row]].rows;
    *std::find(moved.begin(), moved.end(), last) = row;
  }
  ownerOf_.pop_back();
  pieces_.back().resize(pieces_.back().size() - dimensions_);
  if (pieces_.back().empty()) pieces_.pop_back();
}

/// With the rows; the last owner takes the place.
void Gallery::removeOwner(uint32_t owner) {
  while (!owners_[owner].rows.empty()) {
    const uint32_t row = owners_[owner].rows.back();
    owners_[owner].rows.pop_back();
    removeRow(row);
  }
  indexOf_.erase(owners_[owner].label);
  if (owner + 1 != owners_.size()) {
    owners_[owner] = std::move(owners_.back());
    indexOf_[owners_[owner].label] = owner;
    for (const uint32_t row : owners_[owner].rows) ownerOf_[row] = owner;
  }
  owners_.pop_back();
}

uint32_t Gallery::ownerWith(int32_t label) {
  const auto [known, added] = indexOf_.emplace(label, static_cast<uint32_t>(owners_.size()));
  if (added) owners_.push_back({label, {}});
  return known->second;
}

void Gallery::append(uint32_t owner, const float* values) {
  if (ownerOf_.size() % pieceRows == 0) {
    pieces_.emplace_back();
    // Memory that no row has touched costs nothing.
    pieces_.back().reserve(pieceRows * dimensions_);
  }
  pieces_.back().insert(pieces_.back().end(), values, values + dimensions_);
  owners_[owner].rows.push_back(static_cast<uint32_t>(ownerOf_.size()));
  ownerOf_.push_back(owner);
}

float* Gallery::at(size_t row) { return &pieces_[row / pieceRows][row % pieceRows * dimensions_]; }

std::vector<Match> Gallery::best(const float* query, size_t k) const {
  std::vector<Match> matches;
  matches.reserve(owners_.size());
  for (const Owner& owner : owners_) matches.push_back({owner.label, -1.f});
  float similarities[pieceRows];
  const uint32_t* owner = ownerOf_.data();
  for (const std::vector<float>& piece : pieces_) {
    const size_t rows = piece.size() / dimensions_;
    compare(query, piece.data(), rows, dimensions_, similarities);
    for (size_t row = 0; row < rows; ++row) {
      float& bestOfOwner = matches[*owner++].similarity;
      bestOfOwner = std::max(bestOfOwner, similarities[row]);
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
