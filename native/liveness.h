// Is a face a living one or a picture of one: MiniFASNet (minivision-ai/Silent-Face-Anti-Spoofing), one frame at a
// time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine.h"
#include "image.h"

namespace facelatch {

struct LivenessNetOptions {
  std::string path;
  int width;
  int height;
  Normalisation normalisation;
  /// Side of what the net sees, in sides of the face's box.
  double crop;
};

/// What a net sees of a face: the box enlarged about its centre by `scale`, or by less where the picture is too small
/// for that, then pushed back inside. Whole pixels, as the nets were taught.
Box livenessCrop(const Box& face, double scale, int width, int height);

class Liveness {
 public:
  Liveness(EngineFactory& engines, std::vector<LivenessNetOptions> nets);

  /// For each face the log-odds of "live" by each net, in the order of the nets. Throws ENGINE.
  std::vector<std::vector<float>> judge(const View& picture, const std::vector<Box>& faces);

 private:
  struct Net {
    LivenessNetOptions options;
    std::unique_ptr<Engine> engine;
  };

  std::vector<Net> nets_;
  std::vector<Answer> answers_;
};

}  // namespace facelatch
