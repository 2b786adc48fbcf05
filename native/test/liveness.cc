#include "liveness.h"

#include "check.h"
#include "picture.h"

using namespace facelatch;

namespace {

void cropsGrowAboutTheFace() {
  const Box crop = livenessCrop({300, 200, 100, 80}, 2, 1000, 800);
  CHECK(crop.x == 250 && crop.y == 160 && crop.width == 201 && crop.height == 161);
}

void cropsArePushedBackInside() {
  // As large as asked, but not about the face: 100 wide at the left edge, 100 high at the bottom.
  const Box corner = livenessCrop({0, 700, 100, 100}, 2.7, 1000, 800);
  CHECK(corner.x == 0 && corner.width == 271);
  CHECK(corner.y == 529 && corner.y + corner.height == 800);
}

void cropsShrinkWhereThePictureIsSmall() {
  // 4 would be 800 of 480 rows: both sides get what the rows allow.
  const Box crop = livenessCrop({200, 140, 150, 200}, 4, 640, 480);
  CHECK(crop.y == 0 && crop.height == 480);
  CHECK(crop.width >= 359 && crop.width <= 361);
  // A face beyond the picture's edge, and one larger than the picture.
  for (const Box& face : {Box{-500, -300, 200, 200}, Box{900, 700, 200, 200}, Box{-50, -50, 2000, 1500}}) {
    const Box inside = livenessCrop(face, 2.7, 640, 480);
    CHECK(inside.x >= 0 && inside.y >= 0 && inside.x + inside.width <= 640 && inside.y + inside.height <= 480);
    CHECK(inside.width >= 1 && inside.height >= 1);
  }
  const Box dot = livenessCrop({0, 0, 1, 1}, 2.7, 1, 1);
  CHECK(dot.x == 0 && dot.y == 0 && dot.width == 1 && dot.height == 1);
}

/// Answers (first pixel of plane 0, first of plane 2, 0) for each picture.
struct Corner : TensorEngine {
  explicit Corner(int64_t fixed) : fixed(fixed) {}
  int64_t batch() const override { return fixed; }
  void run(const Tensor& input, std::vector<Tensor>& outputs) override {
    const size_t picture = input.values.size() / input.shape[0];
    outputs.resize(1);
    outputs[0].reshape({input.shape[0], 3});
    for (int64_t i = 0; i < input.shape[0]; ++i) {
      outputs[0].values[3 * i] = input.values[i * picture];
      outputs[0].values[3 * i + 1] = input.values[i * picture + picture * 2 / 3];
      outputs[0].values[3 * i + 2] = 0;
    }
  }
  int64_t fixed;
};

struct CornerFactory : EngineFactory {
  explicit CornerFactory(int64_t fixed) : fixed(fixed) {}
  std::unique_ptr<Engine> load(const std::string&, const ModelSpec&) override {
    return std::make_unique<Corner>(fixed);
  }
  std::string description() const override { return "corner"; }
  int64_t fixed;
};

const LivenessNetOptions net{"", 16, 16, {{0, 0, 0}, {1, 1, 1}, true}, 1};

void eachNetAnswersForEachFace() {
  // Red is 3, blue 2 + the column: with BGR, plane 0 is blue and plane 2 red.
  std::vector<uint8_t> pixels(40 * 40 * 3);
  for (size_t i = 0; i < 40 * 40; ++i) {
    pixels[3 * i] = 3;
    pixels[3 * i + 2] = static_cast<uint8_t>(2 + i % 40);
  }
  const Picture picture(pixels, 40, 40);
  for (const int64_t fixed : {-1, 1, 4}) {
    CornerFactory factory(fixed);
    Liveness liveness(factory, {net, net});
    const std::vector<std::vector<float>> odds = liveness.judge(picture.view(), {{0, 0, 15, 15}, {5, 3, 15, 15}});
    CHECK(odds.size() == 2 && odds[0].size() == 2 && odds[0][0] == odds[0][1]);
    // Classes (2, 3, 0) and (7, 3, 0).
    CHECK_NEAR(odds[0][0], 3 - std::log(std::exp(2.0) + 1), 1e-4);
    CHECK_NEAR(odds[1][0], 3 - std::log(std::exp(7.0) + 1), 1e-4);
    CHECK(liveness.judge(picture.view(), {}).empty());
  }
  CornerFactory factory(1);
  Liveness none(factory, {});
  const std::vector<std::vector<float>> silent = none.judge(picture.view(), {{0, 0, 15, 15}});
  CHECK(silent.size() == 1 && silent[0].empty());
}

}  // namespace

int main() {
  return runAll(cropsGrowAboutTheFace, cropsArePushedBackInside, cropsShrinkWhereThePictureIsSmall,
                eachNetAnswersForEachFace);
}
