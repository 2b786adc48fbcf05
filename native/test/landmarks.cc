#include "landmarks.h"

#include <cmath>
#include <functional>

#include "check.h"
#include "error.h"

using namespace facelatch;

namespace {

/// O-Net as the test wants it: points and score for crop `i` of the batch.
struct Script {
  std::array<float, 10> points;  // five x, then five y, shares of the crop
  float score = 0.99f;
  int64_t answered = 4;
  std::vector<float> shown;
};

struct Scripted : TensorEngine {
  explicit Scripted(Script& script) : script(script) {}
  int64_t batch() const override { return -1; }
  void run(const Tensor& input, std::vector<Tensor>& outputs) override {
    script.shown = input.values;
    outputs.resize(3);
    outputs[0].reshape({script.answered, 2});
    outputs[1].reshape({script.answered, 4});
    outputs[2].reshape({script.answered, 10});
    for (int64_t i = 0; i < script.answered; ++i) {
      outputs[0].values[2 * i + 1] = script.score;
      std::copy(script.points.begin(), script.points.end(), outputs[2].values.begin() + 10 * i);
    }
  }
  Script& script;
};

struct ScriptedFactory : EngineFactory {
  explicit ScriptedFactory(Script& script) : script(script) {}
  std::unique_ptr<Engine> load(const std::string&, const ModelSpec&) override {
    return std::make_unique<Scripted>(script);
  }
  std::string description() const override { return "scripted"; }
  Script& script;
};

/// Where O-Net usually finds the points: of equal proportions, so that a mirrored crop answers the same.
const Script usual{{0.334f, 0.666f, 0.5f, 0.352f, 0.648f, 0.390f, 0.390f, 0.587f, 0.757f, 0.757f}, 0.99f, 4, {}};

/// A face whose usual crop is 120 pixels wide with its corner at (60, 40), turned by `angle`.
Landmarks faceAt(double angle) {
  Landmarks face{};
  for (int i = 0; i < 5; ++i) {
    const double x = 120 * (usual.points[i] - 0.5), y = 120 * (usual.points[5 + i] - 0.5);
    face[2 * i] = static_cast<float>(120 + x * std::cos(angle) - y * std::sin(angle));
    face[2 * i + 1] = static_cast<float>(100 + x * std::sin(angle) + y * std::cos(angle));
  }
  return face;
}

std::vector<uint8_t> stripes() {
  std::vector<uint8_t> pixels(240 * 200 * 3);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i / 3 % 240);
  return pixels;
}

void looksAreAveraged() {
  Script script = usual;
  ScriptedFactory factory(script);
  Landmarker landmarker(factory, "onet");
  const std::vector<uint8_t> pixels = stripes();
  const View view{pixels.data(), 240, 200, 720};
  for (const double angle : {0.0, 0.5, -2.0}) {
    const Landmarks face = faceAt(angle), settled = landmarker.settle(view, {face}).front();
    // The shifts cancel out, mirrored answers are turned back, and the crops are 0.874 of the usual one.
    for (int i = 0; i < 5; ++i) {
      CHECK_NEAR(settled[2 * i], 120 + 0.874 * (face[2 * i] - 120), 0.02);
      CHECK_NEAR(settled[2 * i + 1], 100 + 0.874 * (face[2 * i + 1] - 100), 0.02);
    }
  }
  CHECK(script.shown.size() == size_t{4} * 3 * 48 * 48);
  // Upside down or not, a crop shows the face upright: here from left to right, mirrored from right to left.
  landmarker.settle(view, {faceAt(0)});
  const float* last = &script.shown[size_t{3} * 3 * 48 * 48];
  CHECK(script.shown[0] < script.shown[47] && last[0] > last[47]);
}

void whatIsNoFaceStaysAsItWas() {
  Script script = usual;
  ScriptedFactory factory(script);
  Landmarker landmarker(factory, "onet");
  const std::vector<uint8_t> pixels = stripes();
  const View view{pixels.data(), 240, 200, 720};
  const Landmarks face = faceAt(0);
  script.score = 0.3f;
  CHECK(landmarker.settle(view, {face}).front() == face);
  script.score = std::nanf("");
  CHECK(landmarker.settle(view, {face}).front() == face);
  script = usual;
  for (int i = 0; i < 5; ++i) script.points[5 + i] += 0.4f;  // more than half an eye distance down
  CHECK(landmarker.settle(view, {face}).front() == face);
  script = usual;
  script.answered = 3;
  CHECK_THROWS(landmarker.settle(view, {face}), Error);
  script.answered = 4;
  CHECK_THROWS(landmarker.settle(view, {Landmarks{}}), Error);
}

}  // namespace

int main() { return runAll(looksAreAveraged, whatIsNoFaceStaysAsItWas); }
