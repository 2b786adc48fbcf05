// What finds faces: MTCNN or YuNet behind one interface, and what both do with boxes on their way to being faces.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "engine.h"
#include "image.h"

namespace facelatch {

struct Face {
  Box box;
  Landmarks landmarks;
  float score;
};

enum class DetectorType { mtcnn, yunet };

struct DetectorOptions {
  /// MTCNN's three nets; all of them empty for YuNet.
  std::string pnet;
  std::string rnet;
  std::string onet;
  double minFace;
  size_t maxFaces;
  /// MTCNN: the score each stage must reach.
  std::array<float, 3> scores;
  double factor;
  DetectorType type = DetectorType::mtcnn;
  /// YuNet's one net, and the score a face must reach.
  std::string yunet{};
  float score = 0;
};

/// Milliseconds; what another detector does stays 0.
struct DetectTimings {
  double pnet = 0;
  double rnet = 0;
  double onet = 0;
  double yunet = 0;
};

/// Pictures up to this many pixels on their longer side; the usual ones are 640x480.
constexpr double longestPicture = 4096;

double millisecondsSince(std::chrono::steady_clock::time_point start);

/// Stateless between pictures.
class Detector {
 public:
  virtual ~Detector() = default;
  /// Full sweep. Largest face first, at most maxFaces. Throws ENGINE.
  virtual std::vector<Face> detect(const View& picture, DetectTimings& timings) = 0;
  /// Looks where faces are predicted, which costs less. Faces beside the predicted ones may be answered, too.
  virtual std::vector<Face> refine(const View& picture, const std::vector<Box>& regions, DetectTimings& timings) = 0;
};

/// Throws MODEL_LOAD.
std::unique_ptr<Detector> makeDetector(EngineFactory& engines, const DetectorOptions& options);

/// A box on its way to being a face.
struct Candidate {
  Box box;
  float score;
  /// Shifts of left, top, right and bottom edge, as shares of the box.
  std::array<float, 4> regression{};
  Landmarks landmarks{};
};

enum class Overlap { ofUnion, ofSmaller };

/// Greedy non-maximum suppression: sorts by score, then drops each box that a better one overlaps by more than `limit`.
void suppress(std::vector<Candidate>& candidates, double limit, Overlap overlap);
/// Keeps the `most` best, in any order.
void keepBest(std::vector<Candidate>& candidates, size_t most);
/// Boxes turned inside out or thrown off the picture show no face.
void dropUnusable(std::vector<Candidate>& candidates, const View& picture);
/// The square of the longer side about the same centre, enlarged by `growth`.
Box squared(const Box& box, double growth = 1);
/// Largest first, at most `most`.
std::vector<Face> largest(std::vector<Candidate> candidates, size_t most);

}  // namespace facelatch
