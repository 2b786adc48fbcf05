// MTCNN (Zhang et al. 2016): P-Net proposes over a pyramid, R-Net and O-Net refine. Stateless between pictures.
#pragma once

#include <array>
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

struct DetectorOptions {
  std::string pnet;
  std::string rnet;
  std::string onet;
  double minFace;
  size_t maxFaces;
  std::array<float, 3> scores;
  double factor;
};

struct DetectTimings {
  double pnet = 0;
  double rnet = 0;
  double onet = 0;
};

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
Box regressed(const Box& box, const std::array<float, 4>& regression);
/// The square of the longer side about the same centre, enlarged by `growth`.
Box squared(const Box& box, double growth = 1);
/// Scales for the P-Net, the largest first; empty when the picture is smaller than its window.
std::vector<double> pyramid(int width, int height, double minFace, double factor);

class Mtcnn {
 public:
  Mtcnn(EngineFactory& engines, DetectorOptions options);

  /// Full sweep. Largest face first, at most maxFaces. Throws ENGINE.
  std::vector<Face> detect(const View& picture, DetectTimings& timings);
  /// Refines predicted boxes: a few small batches in place of the pyramid.
  std::vector<Face> refine(const View& picture, const std::vector<Box>& regions, DetectTimings& timings);

 private:
  void propose(const View& picture, double scale, std::vector<Candidate>& found);
  std::vector<Face> refineCandidates(const View& picture, std::vector<Candidate> candidates, DetectTimings& timings);
  void score(Engine& engine, const View& picture, int side, size_t batch, float least, bool landmarks,
             std::vector<Candidate>& candidates);

  DetectorOptions options_;
  std::unique_ptr<Engine> pnet_;
  std::unique_ptr<Engine> rnet_;
  std::unique_ptr<Engine> onet_;
  Tensor input_;
  std::vector<Tensor> outputs_;
};

}  // namespace facelatch
