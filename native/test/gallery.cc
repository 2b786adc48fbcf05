#include "gallery.h"

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <stdexcept>

#include "check.h"

using namespace facelatch;

namespace {

void agreesWithBruteForce() {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (const size_t dimensions : {1, 7, 8, 128, 131}) {
    const size_t rows = 200;
    std::vector<float> matrix(rows * dimensions), query(dimensions);
    std::vector<int32_t> labels(rows);
    for (float& value : matrix) value = normal(random) * 5;
    for (float& value : query) value = normal(random);
    for (int32_t& label : labels) label = static_cast<int32_t>(random() % 40) * 1000 - 20000;
    CHECK(normaliseRow(query.data(), dimensions));

    std::map<int32_t, double> best;
    for (size_t row = 0; row < rows; ++row) {
      double product = 0, square = 0;
      for (size_t i = 0; i < dimensions; ++i) {
        product += static_cast<double>(query[i]) * matrix[row * dimensions + i];
        square += static_cast<double>(matrix[row * dimensions + i]) * matrix[row * dimensions + i];
      }
      const double cosine = product / std::sqrt(square);
      const auto [entry, added] = best.emplace(labels[row], cosine);
      if (!added) entry->second = std::max(entry->second, cosine);
    }
    std::vector<double> expected;
    for (const auto& [label, cosine] : best) expected.push_back(cosine);
    std::sort(expected.rbegin(), expected.rend());

    const Gallery gallery(matrix, labels, dimensions);
    for (const size_t k : {size_t{0}, size_t{1}, size_t{5}, size_t{1000}}) {
      const std::vector<Match> matches = gallery.best(query.data(), k);
      CHECK(matches.size() == std::min(k, best.size()));
      for (size_t i = 0; i < matches.size(); ++i) {
        CHECK_NEAR(matches[i].similarity, expected[i], 1e-5);
        CHECK_NEAR(matches[i].similarity, best.at(matches[i].label), 1e-5);
      }
    }
  }
}

void emptyAnswersNothing() {
  const float query[4] = {1, 0, 0, 0};
  CHECK(Gallery(4).best(query, 3).empty());
  CHECK(Gallery({}, {}, 4).best(query, 3).empty());
}

void refusesWhatCannotBeCompared() {
  const float infinite = std::numeric_limits<float>::infinity();
  CHECK_THROWS(Gallery({1, 0, 0, 0}, {1}, 2), std::invalid_argument);
  CHECK_THROWS(Gallery({1, 0, std::nanf(""), 0}, {1, 2}, 2), std::invalid_argument);
  CHECK_THROWS(Gallery({1, 0, infinite, 0}, {1, 2}, 2), std::invalid_argument);
  CHECK_THROWS(Gallery({1, 0, 0, 0}, {1, 2}, 2), std::invalid_argument);
}

void tiesGoToTheLowerLabel() {
  const float query[2] = {1, 0};
  const std::vector<Match> matches = Gallery({1, 0, 2, 0, 0, 1}, {9, 4, 1}, 2).best(query, 2);
  CHECK(matches.size() == 2 && matches[0].label == 4 && matches[1].label == 9);
}

/// What was added and removed before leaves no trace: the answers are those of a gallery made afresh, to the last bit.
void changesLeaveNoTrace() {
  std::mt19937 random(8);
  std::normal_distribution<float> normal;
  for (const size_t dimensions : {3, 8, 40}) {
    Gallery changed(dimensions);
    std::map<int32_t, std::vector<float>> people;
    for (int change = 0; change < 1500; ++change) {
      const int32_t label = static_cast<int32_t>(random() % 120);
      // Half of the time nobody is left of that label; a few people have more rows than a piece of the gallery.
      const size_t rows = random() % 2 == 0 ? 0 : random() % 40 == 0 ? 1500 : random() % 30;
      std::vector<float> templates(rows * dimensions);
      for (float& value : templates) value = normal(random);
      changed.replace(label, templates);
      if (rows == 0) {
        people.erase(label);
      } else {
        people[label] = templates;
      }
      if (change % 50 != 0 && change < 1490) continue;

      std::vector<float> all;
      std::vector<int32_t> labels;
      for (const auto& [whose, own] : people) {
        all.insert(all.end(), own.begin(), own.end());
        labels.insert(labels.end(), own.size() / dimensions, whose);
      }
      const Gallery fresh(all, labels, dimensions);
      CHECK(changed.size() == fresh.size());
      std::vector<float> query(dimensions);
      for (float& value : query) value = normal(random);
      CHECK(normaliseRow(query.data(), dimensions));
      const std::vector<Match> found = changed.best(query.data(), 200), wanted = fresh.best(query.data(), 200);
      CHECK(found.size() == people.size() && wanted.size() == people.size());
      for (size_t i = 0; i < std::min(found.size(), wanted.size()); ++i) {
        CHECK(found[i].label == wanted[i].label && found[i].similarity == wanted[i].similarity);
      }
    }
  }
}

void whatIsRefusedChangesNothing() {
  const float query[2] = {1, 0};
  Gallery gallery({1, 0, 0, 1}, {4, 5}, 2);
  CHECK_THROWS(gallery.replace(4, {0, 1, 0, 0}), std::invalid_argument);
  CHECK_THROWS(gallery.replace(4, {0, 1, 1}), std::invalid_argument);
  CHECK_THROWS(gallery.replace(6, {0, std::nanf("")}), std::invalid_argument);
  const std::vector<Match> matches = gallery.best(query, 3);
  CHECK(matches.size() == 2 && matches[0].label == 4 && matches[0].similarity == 1);
}

}  // namespace

int main() {
  return runAll(agreesWithBruteForce, emptyAnswersNothing, refusesWhatCannotBeCompared, tiesGoToTheLowerLabel,
                changesLeaveNoTrace, whatIsRefusedChangesNothing);
}
