#include "yunet.h"

#include <functional>

#include "check.h"
#include "picture.h"

using namespace facelatch;

namespace {

constexpr int strides[] = {8, 16, 32};

/// Twelve maps that see nothing.
std::vector<Tensor> blank(int width, int height) {
  std::vector<Tensor> maps;
  for (const int depth : {1, 1, 4, 10}) {
    for (const int stride : strides) {
      Tensor map;
      map.reshape({1, int64_t{width / stride} * (height / stride), depth});
      std::fill(map.values.begin(), map.values.end(), 0.f);
      maps.push_back(map);
    }
  }
  return maps;
}

/// A face of a level's cell: `shift` are the box's four numbers, the landmarks stand at (0.1 i, -0.1 i) cells from the
/// cell.
void put(std::vector<Tensor>& maps, size_t level, size_t cell, float cls, float obj, std::array<float, 4> shift) {
  maps[level].values[cell] = cls;
  maps[3 + level].values[cell] = obj;
  std::copy(shift.begin(), shift.end(), &maps[6 + level].values[4 * cell]);
  for (size_t i = 0; i < 5; ++i) {
    maps[9 + level].values[10 * cell + 2 * i] = 0.1f * static_cast<float>(i);
    maps[9 + level].values[10 * cell + 2 * i + 1] = -0.1f * static_cast<float>(i);
  }
}

/// Answers maps in which one face of `side` input pixels stands at a share of the input, and notes what it was shown.
struct OneFace : TensorEngine {
  explicit OneFace(std::vector<std::vector<int64_t>>& shown) : shown(shown) {}
  int64_t batch() const override { return -1; }
  void run(const Tensor& input, std::vector<Tensor>& outputs) override {
    shown.push_back(input.shape);
    const int height = static_cast<int>(input.shape[2]), width = static_cast<int>(input.shape[3]);
    outputs = blank(width, height);
    put(outputs, 0, static_cast<size_t>((height / 16) * (width / 8) + width / 16), 0.9f, 0.9f,
        {0, 0, std::log(4.f), std::log(5.f)});
  }
  std::vector<std::vector<int64_t>>& shown;
};

struct OneFaceFactory : EngineFactory {
  std::unique_ptr<Engine> load(const std::string&, const ModelSpec& spec) override {
    CHECK(spec.outputs.size() == 12 && spec.outputs[0].name == "cls_8" && spec.outputs[11].name == "kps_32");
    return std::make_unique<OneFace>(shown);
  }
  std::string description() const override { return "one face"; }
  std::vector<std::vector<int64_t>> shown;
};

DetectorOptions options(double minFace) {
  DetectorOptions result{"", "", "", minFace, 5, {}, 0, DetectorType::yunet, "yunet", 0.6f};
  return result;
}

void cellsBecomeBoxes() {
  std::vector<Tensor> maps = blank(96, 64);
  // Stride 16: six columns; column 2, row 1.
  put(maps, 1, 8, 0.81f, 1, {0.5f, 0.25f, std::log(2.f), std::log(3.f)});
  const std::vector<Candidate> found = decodeYunet(maps, 96, 64, 0.6f);
  CHECK(found.size() == 1);
  CHECK_NEAR(found.at(0).score, 0.9, 1e-6);
  CHECK_NEAR(found[0].box.width, 32, 1e-4);
  CHECK_NEAR(found[0].box.height, 48, 1e-4);
  CHECK_NEAR(found[0].box.x, 2.5 * 16 - 16, 1e-4);
  CHECK_NEAR(found[0].box.y, 1.25 * 16 - 24, 1e-4);
  CHECK_NEAR(found[0].landmarks[0], 32, 1e-4);
  CHECK_NEAR(found[0].landmarks[8], 32 + 0.4 * 16, 1e-4);
  CHECK_NEAR(found[0].landmarks[9], 16 - 0.4 * 16, 1e-4);
}

void bothScoresCount() {
  std::vector<Tensor> maps = blank(64, 64);
  put(maps, 0, 3, 0.95f, 0.3f, {});
  put(maps, 1, 2, std::nanf(""), 1, {});
  put(maps, 2, 1, 1.2f, 1.1f, {});
  const std::vector<Candidate> found = decodeYunet(maps, 64, 64, 0.6f);
  CHECK(found.size() == 1);
  CHECK_NEAR(found.at(0).score, 1, 1e-6);
}

void mapsOfAWrongSizeAreRefused() {
  std::vector<Tensor> maps = blank(64, 64);
  CHECK_THROWS(decodeYunet(maps, 96, 64, 0.6f), std::exception);
}

void theSmallestFaceSaysTheScale() {
  const std::vector<double> usual = yunetScales(640, 480, 40);
  CHECK(usual.size() == 1 && usual[0] == 0.5);
  CHECK(yunetScales(640, 480, 20) == std::vector<double>{1});
  CHECK(yunetScales(640, 480, 2000).empty());
  CHECK(yunetScales(39, 500, 40).empty());
  // A face that fills a large picture is looked for as well.
  const std::vector<double> large = yunetScales(4000, 3000, 40);
  CHECK(large.size() == 2 && large[0] == 0.5 && 4000 * large[1] <= 640);
}

void inputsAreMultiplesOf32AndBoxesComeBack() {
  OneFaceFactory factory;
  Yunet yunet(factory, options(40));
  const Picture picture(std::vector<uint8_t>(300 * 200 * 3), 300, 200);
  DetectTimings timings;
  const std::vector<Face> faces = yunet.detect(picture.view(), timings);
  // 300 x 200 at a half is 150 x 100; the cell is at 80, 64 of 160 x 128.
  CHECK((factory.shown == std::vector<std::vector<int64_t>>{{1, 3, 128, 160}}));
  CHECK(faces.size() == 1);
  CHECK_NEAR(faces.at(0).box.width, 64, 1e-3);
  CHECK_NEAR(faces[0].box.height, 80, 1e-3);
  CHECK_NEAR(faces[0].box.x, 160 - 32, 1e-3);
  CHECK_NEAR(faces[0].box.y, 128 - 40, 1e-3);
}

void regionsAreLookedAtAlone() {
  OneFaceFactory factory;
  Yunet yunet(factory, options(20));
  const Picture picture(std::vector<uint8_t>(640 * 480 * 3), 640, 480);
  DetectTimings timings;
  const std::vector<Face> faces = yunet.refine(picture.view(), {{100, 100, 50, 40}}, timings);
  CHECK((factory.shown == std::vector<std::vector<int64_t>>{{1, 3, 128, 128}}));
  CHECK(faces.size() == 1);
  // The square of 100 pixels round (125, 120); the cell is in its middle.
  CHECK_NEAR(faces.at(0).box.x + faces[0].box.width / 2, 125, 1e-3);
  CHECK_NEAR(faces[0].box.y + faces[0].box.height / 2, 120, 1e-3);
  CHECK_NEAR(faces[0].box.width, 32 * 100.0 / 128, 1e-3);
  // Two regions that show the same face.
  CHECK(yunet.refine(picture.view(), {{100, 100, 50, 40}, {102, 100, 50, 40}}, timings).size() == 1);
  // So many that the whole picture is cheaper.
  factory.shown.clear();
  (void)yunet.refine(picture.view(), std::vector<Box>(30, {100, 100, 50, 40}), timings);
  CHECK((factory.shown == std::vector<std::vector<int64_t>>{{1, 3, 480, 640}}));
  CHECK(yunet.refine(picture.view(), {}, timings).empty());
}

void tinyPicturesHoldNoFace() {
  OneFaceFactory factory;
  Yunet yunet(factory, options(40));
  for (const int side : {1, 11, 39}) {
    const Picture picture(std::vector<uint8_t>(side * side * 3), side, side);
    DetectTimings timings;
    CHECK(yunet.detect(picture.view(), timings).empty());
  }
}

}  // namespace

int main() {
  return runAll(cellsBecomeBoxes, bothScoresCount, mapsOfAWrongSizeAreRefused, theSmallestFaceSaysTheScale,
                inputsAreMultiplesOf32AndBoxesComeBack, regionsAreLookedAtAlone, tinyPicturesHoldNoFace);
}
