// MTCNN (Zhang et al. 2016): P-Net proposes over a pyramid, R-Net and O-Net refine. Stateless between pictures.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "detector.h"

namespace facelatch {

Box regressed(const Box& box, const std::array<float, 4>& regression);
/// Scales for the P-Net, the largest first; empty when the picture is smaller than its window.
std::vector<double> pyramid(int width, int height, double minFace, double factor);

class Mtcnn : public Detector {
 public:
  Mtcnn(EngineFactory& engines, DetectorOptions options);

  std::vector<Face> detect(const View& picture, DetectTimings& timings) override;
  /// A few small batches in place of the pyramid.
  std::vector<Face> refine(const View& picture, const std::vector<Box>& regions, DetectTimings& timings) override;

 private:
  void propose(const View& picture, const Shot& level, const Answer& answer, std::vector<Candidate>& found) const;
  std::vector<Face> refineCandidates(const View& picture, std::vector<Candidate> candidates, DetectTimings& timings);
  void score(Engine& engine, const View& picture, int side, size_t batch, float least, bool landmarks,
             std::vector<Candidate>& candidates);

  DetectorOptions options_;
  std::unique_ptr<Engine> pnet_;
  std::unique_ptr<Engine> rnet_;
  std::unique_ptr<Engine> onet_;
  std::vector<Answer> answers_;
};

}  // namespace facelatch
