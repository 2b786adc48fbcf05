#include "embedder.h"

#include "check.h"

using namespace facelatch;

namespace {

/// Answers (first value of the plane, 1) for each picture, and remembers how many it was given.
struct Echo : Engine {
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

void batchesFollowTheModel() {
  struct Case {
    int64_t fixed;
    std::vector<int64_t> batches;
  };
  for (const Case& expected :
       {Case{-1, {16, 16, 16, 16, 6}}, Case{1, std::vector<int64_t>(70, 1)}, Case{20, {20, 20, 20, 20}}}) {
    EchoFactory factory(expected.fixed);
    Embedder embedder(factory, options);
    std::vector<std::vector<uint8_t>> faces;
    for (int i = 0; i < 35; ++i) faces.emplace_back(4 * 4 * 3, static_cast<uint8_t>(i));
    const std::vector<std::vector<float>> embeddings = embedder.embed(faces);
    CHECK(factory.batches == expected.batches);
    CHECK(embeddings.size() == 35);
    for (int i = 0; i < 35; ++i) {
      CHECK_NEAR(embeddings[i][0], i / std::sqrt(i * i + 1.0), 1e-6);
      CHECK_NEAR(embeddings[i][1], 1 / std::sqrt(i * i + 1.0), 1e-6);
    }
    CHECK(embedder.embed({}).empty());
  }
}

void mirrorImagesCountAsMuch() {
  EchoFactory factory(-1);
  Embedder embedder(factory, options);
  // The first value is the top left one, and in the mirror image the top right one.
  std::vector<uint8_t> face(4 * 4 * 3), other(4 * 4 * 3);
  face[0] = 3;
  face[9] = 1;
  other[0] = 1;
  other[9] = 3;
  const std::vector<std::vector<float>> embeddings = embedder.embed({face, other});
  const double first = 3 / std::sqrt(10.0) + 1 / std::sqrt(2.0), second = 1 / std::sqrt(10.0) + 1 / std::sqrt(2.0);
  for (const std::vector<float>& embedding : embeddings) {
    CHECK_NEAR(embedding[0], first / std::hypot(first, second), 1e-6);
    CHECK_NEAR(embedding[1], second / std::hypot(first, second), 1e-6);
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
