// Where a face's five points are, asked of O-Net several times: its answer moves with the crop it is shown.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine.h"
#include "image.h"

namespace facelatch {

/// Stateless between calls. The crops are placed by the points themselves, upright and of one size, so that the answer
/// hardly depends on who found the face: a sweep, a refinement, or another detector.
class Landmarker {
 public:
  Landmarker(EngineFactory& engines, const std::string& onet);

  /// The points of each face, settled; as given where O-Net takes it for none, or they run away. Throws ENGINE.
  std::vector<Landmarks> settle(const View& picture, const std::vector<Landmarks>& faces);

 private:
  std::unique_ptr<Engine> engine_;
  std::vector<Answer> answers_;
};

}  // namespace facelatch
