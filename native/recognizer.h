// Detector, embedder and gallery as one object: what JavaScript calls a Recognizer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "embedder.h"
#include "gallery.h"
#include "mtcnn.h"
#include "picture.h"

namespace facelatch {

struct RecognizerOptions {
  DetectorOptions detector;
  EmbedderOptions embedder;
  int threads;
};

struct Identification {
  std::vector<float> embedding;
  std::vector<Match> matches;
};

struct IdentifyTimings {
  double align = 0;
  double embed = 0;
  double match = 0;
};

/// One call at a time, except setGallery, which any thread may call at any time.
class Recognizer : Counted<Recognizer> {
 public:
  using Counted<Recognizer>::alive;

  /// Throws MODEL_LOAD.
  explicit Recognizer(const RecognizerOptions& options);

  std::vector<Face> detect(const Picture& picture, DetectTimings& timings);
  std::vector<Face> refine(const Picture& picture, const std::vector<Box>& regions, DetectTimings& timings);
  std::vector<Identification> identify(const Picture& picture, const std::vector<Landmarks>& faces, size_t k,
                                       IdentifyTimings& timings);
  std::vector<uint8_t> align(const Picture& picture, const Landmarks& landmarks) const;
  void setGallery(std::shared_ptr<const Gallery> gallery);

  size_t dimensions() const { return embedder_.dimensions(); }
  std::string engine() const { return engines_->description(); }

 private:
  /// First in, so last out, also when loading fails.
  struct Trim {
    ~Trim();
  };

  Trim trim_;
  std::shared_ptr<EngineFactory> engines_;
  Mtcnn detector_;
  Embedder embedder_;
  std::shared_ptr<const Gallery> gallery_;
};

}  // namespace facelatch
