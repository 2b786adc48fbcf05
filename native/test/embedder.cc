#include "embedder.h"

#include "check.h"

using namespace facelatch;

namespace {

/// Answers (first value of the plane, 1) for each picture, and remembers how many it was given.
struct Echo : TensorEngine {
  Echo(int64_t fixed, std::vector<int64_t>& batches) : fixed(fixed), batches(batches) {}
  int64_t batch() const override { return fixed; }
  void run(const Tensor& input, std::vector<Tensor>& outputs) override {
    batches.push_back(input.shape[0]);
    outputs.resize(1);
    outputs[0].reshape({input.shape[0], 2});
    const size_t picture = input.values.size() / input.shape[0];
    for (int64_t i = 0; i < input.shape[0]; ++i) {
      outputs[0].values[2 * i] = input.values[i * picture];
      outputs[0].values[2 * i + 1] = 1;
    }
  }

  int64_t fixed;
  std::vector<int64_t>& batches;
};

struct EchoFactory : EngineFactory {
  explicit EchoFactory(int64_t fixed) : fixed(fixed) {}
  std::unique_ptr<Engine> load(const std::string&, const ModelSpec&) override {
    return std::make_unique<Echo>(fixed, batches);
  }
  std::string description() const override { return "echo"; }

  int64_t fixed;
  std::vector<int64_t> batches;
};

const EmbedderOptions options{"", 4, 4, {{0, 0, 0}, {1, 1, 1}, false}, {0, 0, 3, 0, 1.5f, 1.5f, 0, 3, 3, 3}, 2};

/// 4x4 pictures side by side, and where the landmarks of each are: on the template.
struct Row {
  explicit Row(int count) : count(count), pixels(static_cast<size_t>(count) * 4 * 4 * 3) {}

  uint8_t& red(int picture, int x, int y) { return pixels[static_cast<size_t>((y * count + picture) * 4 + x) * 3]; }
  View view() const { return {pixels.data(), 4 * count, 4, static_cast<size_t>(count) * 4 * 3}; }
  std::vector<Landmarks> faces() const {
    std::vector<Landmarks> faces(static_cast<size_t>(count), options.target);
    for (int i = 0; i < count; ++i) {
      for (size_t point = 0; point < 10; point += 2) faces[i][point] += static_cast<float>(4 * i);
    }
    return faces;
  }

  int count;
  std::vector<uint8_t> pixels;
};

void batchesFollowTheModel() {
  struct Case {
    int64_t fixed;
    std::vector<int64_t> batches;
  };
  for (const Case& expected :
       {Case{-1, {16, 16, 16, 16, 6}}, Case{1, std::vector<int64_t>(70, 1)}, Case{20, {20, 20, 20, 20, 20}}}) {
    EchoFactory factory(expected.fixed);
    Embedder embedder(factory, options);
    Row row(35);
    for (int i = 0; i < 35; ++i) {
      for (int at = 0; at < 16; ++at) row.red(i, at % 4, at / 4) = static_cast<uint8_t>(i);
    }
    const std::vector<Embedded> found = embedder.embed(row.view(), row.faces());
    CHECK(factory.batches == expected.batches);
    CHECK(found.size() == 35);
    for (int i = 0; i < 35; ++i) {
      CHECK_NEAR(found[i].embedding[0], i / std::sqrt(i * i + 1.0), 1e-6);
      CHECK_NEAR(found[i].embedding[1], 1 / std::sqrt(i * i + 1.0), 1e-6);
      CHECK(found[i].aligned == embedder.align(row.view(), row.faces()[i]));
      CHECK(found[i].aligned.at(9) == i);
    }
    CHECK(embedder.embed(row.view(), {}).empty());
  }
}

void mirrorImagesCountAsMuch() {
  EchoFactory factory(-1);
  Embedder embedder(factory, options);
  // The first value is the top left one, and in the mirror image the top right one.
  Row row(2);
  row.red(0, 0, 0) = 3;
  row.red(0, 3, 0) = 1;
  row.red(1, 0, 0) = 1;
  row.red(1, 3, 0) = 3;
  const double first = 3 / std::sqrt(10.0) + 1 / std::sqrt(2.0), second = 1 / std::sqrt(10.0) + 1 / std::sqrt(2.0);
  for (const Embedded& face : embedder.embed(row.view(), row.faces())) {
    CHECK_NEAR(face.embedding[0], first / std::hypot(first, second), 1e-6);
    CHECK_NEAR(face.embedding[1], second / std::hypot(first, second), 1e-6);
  }
}

void alignmentPutsLandmarksOnTheTemplate() {
  EchoFactory factory(-1);
  Embedder embedder(factory, options);
  std::vector<uint8_t> pixels(12 * 12 * 3);
  for (int i = 0; i < 12 * 12; ++i) pixels[i * 3] = static_cast<uint8_t>(10 * (i % 12) + i / 12);
  // The template moved by (5, 2): each pixel comes from there.
  const Landmarks moved{5, 2, 8, 2, 6.5f, 3.5f, 5, 5, 8, 5};
  const std::vector<uint8_t> aligned = embedder.align({pixels.data(), 12, 12, 36}, moved);
  for (int y = 0; y < 4; ++y) {
    for (int x = 0; x < 4; ++x) CHECK(aligned[(y * 4 + x) * 3] == 10 * (x + 5) + y + 2);
  }
}

}  // namespace

int main() { return runAll(batchesFollowTheModel, mirrorImagesCountAsMuch, alignmentPutsLandmarksOnTheTemplate); }
