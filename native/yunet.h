// YuNet (Wu et al. 2023, Machine Intelligence Research 20): one net, no anchors, for faces from about ten pixels on.
#pragma once

#include <memory>
#include <vector>

#include "detector.h"

namespace facelatch {

/// How the whole picture is looked at: `scale` times as large, the finest first. Two scales where one would leave a
/// face that fills the picture beyond what the net can see.
std::vector<double> yunetScales(int width, int height, double minFace);

/// Takes the twelve maps (cls, obj, bbox, kps, each for strides 8, 16 and 32) of an input of `width` x `height` pixels.
/// Boxes and landmarks are in pixels of the input; scores below `least` are left out. Throws ENGINE for maps of a wrong
/// size.
std::vector<Candidate> decodeYunet(const std::vector<Tensor>& maps, int width, int height, float least);

class Yunet : public Detector {
 public:
  Yunet(EngineFactory& engines, DetectorOptions options);

  std::vector<Face> detect(const View& picture, DetectTimings& timings) override;
  /// A small square round each region, or the whole picture where that is less work.
  std::vector<Face> refine(const View& picture, const std::vector<Box>& regions, DetectTimings& timings) override;

 private:
  struct Window {
    /// Enlarged to the right and below to what the net can take.
    Box region;
    double scale;
  };

  std::vector<std::vector<Candidate>> read(const View& picture, const std::vector<Window>& windows);
  std::vector<Face> finish(const View& picture, std::vector<Candidate> candidates) const;

  DetectorOptions options_;
  std::unique_ptr<Engine> engine_;
  std::vector<Answer> answers_;
};

}  // namespace facelatch
