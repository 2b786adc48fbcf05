#include "mtcnn.h"

#include <functional>

#include "check.h"
#include "picture.h"

using namespace facelatch;

namespace {

/// A network whose answers the test gives.
class Scripted : public TensorEngine {
 public:
  using Answer = std::function<void(const Tensor&, std::vector<Tensor>&)>;
  explicit Scripted(Answer answer) : answer_(std::move(answer)) {}
  int64_t batch() const override { return -1; }
  void run(const Tensor& input, std::vector<Tensor>& outputs) override { answer_(input, outputs); }

 private:
  Answer answer_;
};

class ScriptedFactory : public EngineFactory {
 public:
  std::unique_ptr<Engine> load(const std::string& path, const ModelSpec&) override {
    return std::make_unique<Scripted>(path == "pnet" ? pnet : path == "rnet" ? rnet : onet);
  }
  std::string description() const override { return "scripted"; }

  Scripted::Answer pnet, rnet, onet;
};

void fill(std::vector<Tensor>& outputs, size_t index, std::vector<int64_t> shape, float value) {
  if (outputs.size() <= index) outputs.resize(index + 1);
  outputs[index].reshape(std::move(shape));
  outputs[index].values.assign(outputs[index].values.size(), value);
}

const DetectorOptions options{"pnet", "rnet", "onet", 40, 5, {0.6f, 0.7f, 0.7f}, 0.709};

/// P-Net finds nothing but at `cell` of the first scale; the others say yes to everything and keep the box.
ScriptedFactory agreeable(int64_t cell) {
  ScriptedFactory factory;
  factory.pnet = [cell, first = true](const Tensor& input, std::vector<Tensor>& outputs) mutable {
    const int64_t rows = (input.shape[2] - 12) / 2 + 1, columns = (input.shape[3] - 12) / 2 + 1;
    fill(outputs, 0, {1, 2, rows, columns}, 0);
    fill(outputs, 1, {1, 4, rows, columns}, 0);
    if (first) outputs[0].values[rows * columns + cell] = 0.9f;
    first = false;
  };
  const auto yes = [](const Tensor& input, std::vector<Tensor>& outputs) {
    fill(outputs, 0, {input.shape[0], 2}, 0.95f);
    fill(outputs, 1, {input.shape[0], 4}, 0);
    fill(outputs, 2, {input.shape[0], 10}, 0.5f);
  };
  factory.rnet = factory.onet = yes;
  return factory;
}

void suppressionKeepsTheBest() {
  std::vector<Candidate> boxes = {
      {{0, 0, 10, 10}, 0.6f}, {{1, 0, 10, 10}, 0.9f}, {{50, 50, 10, 10}, 0.5f}, {{51, 51, 4, 4}, 0.4f}};
  std::vector<Candidate> copy = boxes;
  suppress(copy, 0.5, Overlap::ofUnion);  // the small box in the other covers 0.16 of the union
  CHECK(copy.size() == 3 && copy[0].box.x == 1 && copy[1].score == 0.5f && copy[2].score == 0.4f);
  copy = boxes;
  suppress(copy, 0.7, Overlap::ofSmaller);
  CHECK(copy.size() == 2 && copy[0].score == 0.9f && copy[1].score == 0.5f);
  copy = {{{0, 0, 10, 10}, 0.9f}, {{10, 0, 10, 10}, 0.8f}};
  suppress(copy, 0, Overlap::ofUnion);  // touching is no overlap
  CHECK(copy.size() == 2);
  copy.clear();
  suppress(copy, 0.5, Overlap::ofUnion);
  CHECK(copy.empty());
}

void boxesRegressAndSquare() {
  const Box box = regressed({10, 20, 100, 50}, {0.1f, -0.1f, 0.2f, 0});
  CHECK_NEAR(box.x, 20, 1e-4);
  CHECK_NEAR(box.y, 15, 1e-4);
  CHECK_NEAR(box.width, 110, 1e-4);
  CHECK_NEAR(box.height, 55, 1e-4);
  const Box square = squared({10, 20, 100, 50}, 1.2);
  CHECK_NEAR(square.x, 0, 1e-9);
  CHECK_NEAR(square.y, -15, 1e-9);
  CHECK_NEAR(square.width, 120, 1e-9);
  CHECK_NEAR(square.height, 120, 1e-9);
}

void pyramidEndsAtTheWindow() {
  CHECK(pyramid(640, 480, 40, 0.709).size() == 8);
  CHECK(pyramid(39, 500, 40, 0.709).empty());
  CHECK(pyramid(1, 1, 20, 0.709).empty());
  CHECK(pyramid(40, 40, 40, 0.709).size() == 1);
}

void cellsBecomeBoxes() {
  // 100 x 80 at 12 / 40 is 30 x 24: 10 columns of cells, 7 rows.
  ScriptedFactory factory = agreeable(3 * 10 + 4);
  Mtcnn mtcnn(factory, options);
  const Picture picture(std::vector<uint8_t>(100 * 80 * 3), 100, 80);
  DetectTimings timings;
  const std::vector<Face> faces = mtcnn.detect(picture.view(), timings);
  CHECK(faces.size() == 1);
  CHECK_NEAR(faces.at(0).box.x, 2 * 4 / 0.3, 1e-3);
  CHECK_NEAR(faces[0].box.y, 2 * 3 / 0.3, 1e-3);
  CHECK_NEAR(faces[0].box.width, 40, 1e-3);
  CHECK_NEAR(faces[0].landmarks[0], faces[0].box.x + 20, 1e-3);
  CHECK_NEAR(faces[0].score, 0.95, 1e-6);
}

void tinyPicturesHoldNoFace() {
  ScriptedFactory factory = agreeable(0);
  Mtcnn mtcnn(factory, options);
  for (const int side : {1, 11, 39}) {
    const Picture picture(std::vector<uint8_t>(side * side * 3), side, side);
    DetectTimings timings;
    CHECK(mtcnn.detect(picture.view(), timings).empty());
  }
}

void regionsBeyondThePicture() {
  ScriptedFactory factory = agreeable(0);
  size_t most = 0;
  const auto yes = factory.rnet;
  factory.rnet = [&most, yes](const Tensor& input, std::vector<Tensor>& outputs) {
    most = std::max(most, static_cast<size_t>(input.shape[0]));
    yes(input, outputs);
  };
  Mtcnn mtcnn(factory, options);
  const Picture picture(std::vector<uint8_t>(100 * 80 * 3), 100, 80);
  DetectTimings timings;
  CHECK(mtcnn.refine(picture.view(), {{200, 0, 40, 40}, {-90, -90, 40, 40}}, timings).empty());
  CHECK(most == 0);
  CHECK(mtcnn.refine(picture.view(), {{-20, -20, 40, 40}, {90, 70, 40, 40}}, timings).size() == 2);
  CHECK(mtcnn.refine(picture.view(), {}, timings).empty());
  std::vector<Box> many;
  for (int i = 0; i < 75; ++i) many.push_back({i * 1.3, 1, 1, 1});
  const std::vector<Face> faces = mtcnn.refine(picture.view(), many, timings);
  CHECK(most == 32 && faces.size() == options.maxFaces);
}

void largestFirst() {
  ScriptedFactory factory = agreeable(0);
  Mtcnn mtcnn(factory, options);
  const Picture picture(std::vector<uint8_t>(300 * 300 * 3), 300, 300);
  DetectTimings timings;
  const std::vector<Face> faces =
      mtcnn.refine(picture.view(), {{10, 10, 20, 20}, {150, 150, 90, 90}, {60, 60, 50, 50}}, timings);
  CHECK(faces.size() == 3);
  for (size_t i = 1; i < faces.size(); ++i) CHECK(faces[i - 1].box.width > faces[i].box.width);
}

void nonsenseFromTheNetworksIsDropped() {
  ScriptedFactory factory = agreeable(0);
  factory.onet = [](const Tensor& input, std::vector<Tensor>& outputs) {
    fill(outputs, 0, {input.shape[0], 2}, 0.95f);
    fill(outputs, 1, {input.shape[0], 4}, std::nanf(""));
    fill(outputs, 2, {input.shape[0], 10}, 0.5f);
  };
  Mtcnn mtcnn(factory, options);
  const Picture picture(std::vector<uint8_t>(100 * 80 * 3), 100, 80);
  DetectTimings timings;
  CHECK(mtcnn.refine(picture.view(), {{10, 10, 40, 40}}, timings).empty());
}

}  // namespace

int main() {
  return runAll(suppressionKeepsTheBest, boxesRegressAndSquare, pyramidEndsAtTheWindow, cellsBecomeBoxes,
                tinyPicturesHoldNoFace, regionsBeyondThePicture, largestFirst, nonsenseFromTheNetworksIsDropped);
}
